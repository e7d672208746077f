"""Options that several verbs have."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands.command import Parser


def data(verb: Parser) -> None:
    """The faces, and how they lie."""
    verb.add_argument("--data", type=Path, required=True, help="a data set: file or folder")
    verb.add_argument("--layout", default="auto", help="how it is laid out (default: found out)")


def beginning(verb: Parser) -> None:
    """What a run starts with, and learns from beside its faces."""
    verb.add_argument("--init", type=Path, help="public weights to start from (torchvision's names)")
    verb.add_argument(
        "--stream",
        type=_stream,
        action="append",
        default=[],
        metavar="NAME=DATA",
        help="faces that a system learns from beside the labelled ones",
    )
    verb.add_argument("--teacher", type=Path, action="append", default=[], help="a trained run to distil")
    verb.add_argument(
        "--second",
        type=Path,
        action="append",
        default=[],
        help="another data set, for a recipe with data.second_share; may be given again",
    )
    verb.add_argument("--soft-labels", type=Path, help="an .npz of what others' networks say of --data")
    verb.add_argument(
        "--second-soft-labels",
        type=Path,
        help="an .npz of what they say of the first --second, see the verb ask",
    )


def recipe_file(arguments: argparse.Namespace) -> list[Path]:
    """The file that RECIPE is, over which nothing may be written; [] where it is a built-in's name."""
    return [path] if arguments.recipe and (path := Path(arguments.recipe)).is_file() else []


def begun_with(arguments: argparse.Namespace) -> list[str]:
    """What ``beginning`` added, as it was given: words for a run in a process of its own."""
    words = []
    for option in ("init", "soft_labels", "second_soft_labels"):
        if path := getattr(arguments, option):
            words += [f"--{option.replace('_', '-')}", str(path.resolve())]
    for option in ("second", "teacher"):
        for path in getattr(arguments, option):
            words += [f"--{option}", str(path.resolve())]
    for name, path in arguments.stream:
        words += ["--stream", f"{name}={path.resolve()}"]
    return words


def _stream(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not name or not path:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=DATA, as in target=lfw.npz")
    return name, Path(path)
