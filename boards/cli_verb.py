"""How a verb of the command line is declared, what payload verbs share, and how results are printed."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boards.errors import UsageError
from boards.payload import Settings, check_settings


def add_verb(
    verbs: Any, name: str, help_text: str, action: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """Declare a verb; every verb takes --json."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=help_text, description=help_text.capitalize() + "."
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(action=action)
    return parser


def output(as_json: bool, data: object, text: str) -> None:
    """Print a verb's result, and nothing else, on standard output."""
    print(json.dumps(data, indent=2, ensure_ascii=False) if as_json else text)


def payload_arguments(one: argparse.ArgumentParser) -> None:
    """What may be chosen for a payload."""
    one.add_argument("--source", default="", help="where frames come from (default: the board's camera)")
    one.add_argument("--sink", action="append", default=[], help="where readings go (default: jsonl:-)")
    one.add_argument("--detector", default="haar", choices=["haar", "yunet"], help="face detector")
    one.add_argument("--detector-model", type=Path, help="weights of the detector (.onnx) to carry along")
    one.add_argument("--wheels", action="append", default=[], type=Path, help="folder of wheels of your own")
    one.add_argument("--wheelhouse", type=Path, help="folder to keep downloaded wheels in")
    one.add_argument("--offline", action="store_true", help="download nothing")


def settings_from(arguments: argparse.Namespace) -> Settings:
    """The payload's settings as typed. Raises UsageError."""
    for folder in (
        *arguments.wheels,
        *([arguments.wheelhouse] if arguments.offline and arguments.wheelhouse else []),
    ):
        if not folder.is_dir():
            raise UsageError(f"'{folder}' is not a folder of wheels")
    settings = Settings(
        source=arguments.source,
        sinks=tuple(arguments.sink) or ("jsonl:-",),
        detector=arguments.detector,
        detector_model=arguments.detector_model,
        own_wheels=tuple(arguments.wheels),
        wheelhouse=arguments.wheelhouse,
        offline=arguments.offline,
    )
    check_settings(settings)
    return settings


def cache_folder() -> Path:
    """Where downloads and emulated systems are kept. Raises UsageError where the user has no home."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(given or Path.home() / ".cache") / "ferlite"
    except RuntimeError as error:
        raise UsageError("there is no home folder to keep downloads in: set XDG_CACHE_HOME to one") from error
