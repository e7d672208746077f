"""What verbs of the command line share: how a board is reached, and what may be chosen for a payload."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from boards.errors import UsageError
from boards.remote import Remote
from boards.settings import Settings, check_settings
from edge.commands.command import Parser, filled, whole


def path(text: str) -> Path:
    """An option's text as a path, which "" is not."""
    return Path(filled(text))


def payload_options(one: Parser) -> None:
    """What may be chosen for a payload."""
    one.add_argument("--source", type=filled, help="where frames come from (default: its camera)")
    one.add_argument(
        "--sink",
        action="append",
        type=filled,
        default=[],
        metavar="KIND:PATH",
        help="where readings go; may be repeated (default: jsonl:-)",
    )
    one.add_argument("--detector", default="haar", choices=["haar", "yunet"], help="face detector")
    one.add_argument("--detector-model", type=path, metavar="ONNX", help="its weights, to carry along")
    one.add_argument("--wheels", action="append", default=[], type=path, help="folder of wheels of your own")
    one.add_argument("--wheelhouse", type=path, help="folder to keep downloaded wheels in")
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
        source=arguments.source or "",
        sinks=tuple(arguments.sink) or ("jsonl:-",),
        detector=arguments.detector,
        detector_model=arguments.detector_model,
        own_wheels=tuple(arguments.wheels),
        wheelhouse=arguments.wheelhouse,
        offline=arguments.offline,
    )
    check_settings(settings)
    return settings


def ssh_options(one: Parser) -> None:
    """How a board is reached."""
    one.add_argument("--port", type=whole(1, 65535), default=0, metavar="N", help="ssh port")
    one.add_argument("--identity", type=filled, metavar="FILE", help="ssh key file")
    one.add_argument("--ssh-config", type=filled, metavar="FILE", help="ssh configuration file")
    one.add_argument(
        "--accept-new-host-key", action="store_true", help="trust a host seen for the first time"
    )


def remote_from(arguments: argparse.Namespace) -> Remote:
    """The board that was typed."""
    return Remote(
        arguments.host,
        port=arguments.port,
        identity=arguments.identity or "",
        config=arguments.ssh_config or "",
        accept_new_host_key=arguments.accept_new_host_key,
    )


def cache_folder() -> Path:
    """Where downloads and emulated systems are kept. Raises UsageError where the user has no home."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(given or Path.home() / ".cache") / "ferlite"
    except RuntimeError as error:
        raise UsageError("there is no home folder to keep downloads in: set XDG_CACHE_HOME to one") from error
