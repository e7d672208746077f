"""The verbs that need no board: its programs under an emulated core, its card in an emulated computer."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from boards import boot, emulate, profile
from boards.cli_verb import add_verb, cache_folder, output
from boards.errors import UsageError
from boards.payload import Settings

# Half a week: a card that has said nothing by then never will.
MOST_MINUTES = 5000


def add_verbs(verbs: Any) -> None:
    """Declare emulate and boot."""
    one = add_verb(
        verbs, "emulate", "run ferlite here as on an Arm board, under QEMU's model of its core", _emulate
    )
    one.add_argument("board", metavar="BOARD", help="a board's id")
    one.add_argument("--system", default="", help="system image of the board (see ferlite boards show)")
    one.add_argument("--wheels", action="append", default=[], type=Path, help="folder of wheels of your own")
    one.add_argument("--wheelhouse", type=Path, help="folder to keep downloaded wheels in")
    one.add_argument("--offline", action="store_true", help="download nothing")
    one.add_argument(
        "command", nargs="+", metavar="-- COMMAND", help="what to run: ferlite ... or python ..."
    )
    one = add_verb(
        verbs, "boot", "start a flashed card in an emulated Arm computer and print its first reading", _boot
    )
    one.add_argument("card", metavar="CARD", type=Path, help="flashed image (.img); it is not changed")
    one.add_argument("--board", required=True, help="the board's id: it decides core and memory")
    one.add_argument("--minutes", type=float, default=60, help="give up after this long (default: 60)")
    one.add_argument("--console", type=Path, help="file to keep everything that the console said")
    one.add_argument("--kernel", type=Path, help="start this kernel, not the card's")
    one.add_argument("--initrd", type=Path, help="RAM disk that goes with --kernel")


def _emulate(arguments: argparse.Namespace) -> int:
    settings = Settings(
        own_wheels=tuple(arguments.wheels), wheelhouse=arguments.wheelhouse, offline=arguments.offline
    )
    board = profile.load(arguments.board)
    machine = emulate.prepare(board, cache_folder(), settings=settings, system=arguments.system)
    done = machine.run(arguments.command, capture=arguments.json)
    if arguments.json:
        result = {"board": board.id, "core": machine.core, "exit_code": done.returncode}
        output(True, {**result, "stdout": done.stdout, "stderr": done.stderr}, "")
    return done.returncode


def _boot(arguments: argparse.Namespace) -> int:
    board = profile.load(arguments.board)
    for path in (arguments.card, arguments.kernel, arguments.initrd):
        if path and not path.is_file():
            raise UsageError(f"there is no file '{path}'")
    if arguments.console and not arguments.console.parent.is_dir():
        raise UsageError(f"there is no folder '{arguments.console.parent}' for --console")
    if not 0 < arguments.minutes <= MOST_MINUTES:
        most = f"more than 0 and at most {MOST_MINUTES}"
        raise UsageError(f"--minutes is {arguments.minutes:g}, and must be {most}")
    own = boot.Own(arguments.kernel, arguments.initrd)
    booted = boot.boot(arguments.card, board, minutes=arguments.minutes, own=own, console=arguments.console)
    output(arguments.json, {"board": board.id, **booted.as_json()}, json.dumps(booted.reading))
    return 0
