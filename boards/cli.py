"""``ferlite-boards`` (or ``ferlite boards``): a thin face on the package, every verb a library call.

Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from boards import bundle, choice, match, profile, show
from boards.errors import BoardsError, UsageError, exit_code
from boards.facts import Facts
from boards.probe import probe


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, run the verb, and return its exit code."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    action: Callable[[argparse.Namespace], int] = arguments.action
    return exit_code(lambda: action(arguments), as_json=arguments.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ferlite boards", description="Know boards, and put ferlite on them."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _verb(verbs, "list", "list the boards that ferlite knows", _list)
    one = _verb(verbs, "show", "show one board's profile", _show)
    one.add_argument("board", metavar="BOARD", help="a board's id, or a profile of your own (.toml)")
    one = _verb(verbs, "probe", "find out what this board is and what it can do", _probe)
    one.add_argument("--root", default="/", help="read the recorded file tree in this folder instead")
    one = _verb(verbs, "plan", "explain which engine runs a bundle on a board", _plan)
    one.add_argument("bundle", metavar="BUNDLE", help="folder of a model bundle")
    one.add_argument("--board", default="", help="a board's id (default: this machine)")
    return parser


def _verb(
    verbs: Any, name: str, help_text: str, action: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=help_text, description=help_text.capitalize() + "."
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(action=action)
    return parser


def _print(as_json: bool, data: object, text: str) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False) if as_json else text)


def _list(arguments: argparse.Namespace) -> int:
    boards = profile.load_all()
    rows = [f"{one.id:<18}{one.name}" for one in boards]
    _print(
        arguments.json,
        [{"id": one.id, "name": one.name, "arch": one.arch} for one in boards],
        "\n".join(rows),
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    board = profile.load(arguments.board)
    _print(arguments.json, asdict(board), show.profile_text(board))
    return 0


def _identified(facts: Facts) -> tuple[profile.Profile | None, str]:
    try:
        return match.identify(facts)
    except BoardsError as error:
        return None, str(error)


def _probe(arguments: argparse.Namespace) -> int:
    if not Path(arguments.root).is_dir():
        raise UsageError(f"--root '{arguments.root}' is not a folder")
    facts = probe(arguments.root)
    board, why = _identified(facts)
    data = {"board": board.id if board else None, "why": why, **asdict(facts)}
    _print(arguments.json, data, show.probe_text(facts, board, why))
    if board is None:
        match.identify(facts)
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    model = bundle.read(arguments.bundle)
    facts = None if arguments.board else probe()
    board = profile.load(arguments.board) if facts is None else match.identify(facts)[0]
    chosen = choice.plan(board, model, facts)
    _ = chosen.chosen
    _print(arguments.json, chosen.as_json(), show.plan_text(chosen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
