"""The verbs that need no board: its programs under an emulated core, its card in an emulated computer."""

from __future__ import annotations

import argparse
import json
from typing import Any

from boards import profile
from boards.cli_verb import cache_folder, path
from boards.errors import UsageError
from boards.settings import Settings
from edge.commands import command
from edge.commands.command import filled
from edge.commands.exits import OK
from edge.files import refuse_same

# Half a week: a card that has said nothing by then never will.
MOST_MINUTES = 5000


def add_verbs(verbs: Any) -> None:
    """Declare emulate and boot."""
    text = "run ferlite here as on an Arm board, under QEMU's model of its core"
    one = command.verb(verbs, "emulate", text, _emulate)
    one.add_argument("board", metavar="BOARD", help="a board's id")
    one.add_argument(
        "--system", type=filled, metavar="NAME", help="system image of the board (see ferlite boards show)"
    )
    one.add_argument("--wheels", action="append", default=[], type=path, help="folder of wheels of your own")
    one.add_argument("--wheelhouse", type=path, help="folder to keep downloaded wheels in")
    one.add_argument("--offline", action="store_true", help="download nothing")
    one.add_argument(
        "command", nargs="+", metavar="-- COMMAND", help="what to run: ferlite ... or python ..."
    )
    text = "start a flashed card in an emulated Arm computer and print its first reading"
    one = command.verb(verbs, "boot", text, _boot)
    one.add_argument("card", metavar="CARD", type=path, help="flashed image (.img); it is not changed")
    one.add_argument("--board", type=filled, required=True, help="the board's id: it decides core and memory")
    one.add_argument(
        "--minutes",
        type=command.number(0.01, MOST_MINUTES),
        default=60,
        metavar="N",
        help="give up after this long (default: 60)",
    )
    one.add_argument("--console", type=path, metavar="FILE", help="keep everything that the console said")
    one.add_argument("--kernel", type=path, metavar="FILE", help="start this kernel, not the card's")
    one.add_argument("--initrd", type=path, metavar="FILE", help="RAM disk that goes with --kernel")


def _emulate(arguments: argparse.Namespace) -> int:
    from boards import emulate

    settings = Settings(
        own_wheels=tuple(arguments.wheels), wheelhouse=arguments.wheelhouse, offline=arguments.offline
    )
    board = profile.load(arguments.board)
    machine = emulate.prepare(board, cache_folder(), settings=settings, system=arguments.system or "")
    done = machine.run(arguments.command, capture=arguments.json)
    if arguments.json:
        result = {"board": board.id, "core": machine.core, "exit_code": done.returncode}
        command.output(arguments, {**result, "stdout": done.stdout, "stderr": done.stderr}, "")
    return done.returncode


def _boot(arguments: argparse.Namespace) -> int:
    from boards import boot

    refuse_same([arguments.console], [arguments.card, arguments.kernel, arguments.initrd])
    board = profile.load(arguments.board)
    for file in (arguments.card, arguments.kernel, arguments.initrd):
        if file and not file.is_file():
            raise UsageError(f"there is no file '{file}'")
    if arguments.console and not arguments.console.parent.is_dir():
        raise UsageError(f"there is no folder '{arguments.console.parent}' for --console")
    own = boot.Own(arguments.kernel, arguments.initrd)
    booted = boot.boot(arguments.card, board, minutes=arguments.minutes, own=own, console=arguments.console)
    command.output(arguments, {"board": board.id, **booted.as_json()}, json.dumps(booted.reading))
    return OK
