"""``ferlite-quantize sizes``: the command line of ``quantize.sizes.measure``."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from edge.commands import command
from edge.commands.exits import OK
from edge.errors import UsageError
from edge.files import refuse_same, write_text

HELP = "accuracy per millisecond of networks at several input sizes"


def add(verb: command.Parser) -> None:
    """The verb's arguments."""
    verb.add_argument("runs", type=Path, nargs="+", help="training runs, or .onnx models")
    verb.add_argument("--data", type=Path, required=True, help="packed FER2013 (.npz)")
    verb.add_argument("--sizes", default="48,64,80,96,112", help="pixels, with commas (default: 48 to 112)")
    verb.add_argument("--recipe", default="onnx-minmax", help="how int8 is made, and for which engine")
    verb.add_argument(
        "--faces",
        type=command.whole(0, 10**6),
        default=0,
        metavar="N",
        help="only so many public faces (default: all)",
    )
    verb.add_argument(
        "--rounds",
        type=command.whole(1, 10**6),
        default=30,
        metavar="N",
        help="turns of ten runs each (default: 30)",
    )
    command.record(verb)
    verb.add_argument("--html", type=Path, help="file to write table and plot to")


def run(arguments: argparse.Namespace) -> int:
    """Measure, write and print."""
    from quantize import recipe
    from quantize.sizes import measure, output
    from train.checkpoint import BEST

    read = [path for run in arguments.runs for path in (run, run / BEST)]
    refuse_same([arguments.record, arguments.html], [*read, arguments.data])
    try:
        pixels = [int(word) for word in arguments.sizes.split(",")]
    except ValueError as error:
        raise UsageError(f"--sizes '{arguments.sizes}': give numbers of pixels with commas") from error
    order = measure.Order(
        arguments.runs,
        arguments.data,
        pixels,
        recipe.load(arguments.recipe),
        arguments.faces,
        arguments.rounds,
        _command(arguments),
    )
    record = measure.measure(order)
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    if arguments.record:
        write_text(arguments.record, text)
    if arguments.html:
        write_text(arguments.html, output.page(record))
    print(text.rstrip() if arguments.json else output.text(record))
    return OK


def _command(arguments: argparse.Namespace) -> str:
    """The command as a record may keep it: files by their names, not by where they lay here."""
    words = [
        "ferlite-quantize",
        "sizes",
        *(path.name for path in arguments.runs),
        "--data",
        arguments.data.name,
    ]
    words += ["--sizes", arguments.sizes, "--recipe", Path(arguments.recipe).name]
    for option, value, usual in (("--faces", arguments.faces, 0), ("--rounds", arguments.rounds, 30)):
        if value != usual:
            words += [option, str(value)]
    return shlex.join(words)
