"""``ferlite-boards`` (or ``ferlite boards``): a thin face on the package, every verb a library call.

Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from boards import (
    agreement,
    board_table,
    bundle,
    choice,
    cli_emulate,
    cli_fleet,
    cli_make,
    match,
    profile,
    texts,
)
from boards.cli_verb import cache_folder, payload_options, remote_from, settings_from, ssh_options
from boards.errors import BoardsError, UsageError
from boards.facts import Facts
from boards.probe import probe
from edge.commands import command
from edge.commands.command import Parser, filled
from edge.commands.exits import OK
from edge.files import read_record

PROGRAM = "ferlite-boards"


def main(argv: list[str] | None = None) -> int:
    """Run ``argv`` (default: the process's own arguments) and return the exit code."""
    return command.main(PROGRAM, parser, argv)


def parser() -> Parser:
    """The whole command line."""
    top, verbs = command.program(PROGRAM, "Know boards, and put ferlite on them.")
    command.verb(verbs, "list", "list the boards that ferlite knows", _list)
    one = command.verb(verbs, "table", "print README's table of what was run on which board", _table)
    one.add_argument(
        "records",
        nargs="*",
        type=Path,
        metavar="RECORD",
        help="records of 'fleet FLEET bench --record' to take into it",
    )
    one = command.verb(verbs, "show", "show one board's profile", _show)
    one.add_argument("board", metavar="BOARD", help="a board's id, or a profile of your own (.toml)")
    one = command.verb(verbs, "probe", "find out what this board is and what it can do", _probe)
    one.add_argument(
        "--root",
        type=filled,
        default="/",
        metavar="FOLDER",
        help="read the recorded file tree in this folder instead",
    )
    one.add_argument("--host", type=filled, help="probe this board over ssh instead")
    ssh_options(one)
    one = command.verb(verbs, "plan", "explain which engine runs a bundle on a board", _plan)
    one.add_argument("bundle", metavar="BUNDLE", help="folder, .zip or shipped name")
    one.add_argument("--board", type=filled, help="a board's id (default: this machine)")
    _deploy_parser(verbs)
    cli_fleet.add_verb(verbs)
    cli_make.add_verbs(verbs)
    cli_emulate.add_verbs(verbs)
    return top


def _deploy_parser(verbs: Any) -> None:
    text = "put a bundle on a board over ssh, and start it at power-on"
    one = command.verb(verbs, "deploy", text, _deploy)
    one.add_argument("bundle", metavar="BUNDLE", nargs="?", default="", help="folder, .zip or shipped name")
    one.add_argument("host", metavar="HOST", help="the board, as user@host")
    one.add_argument("--board", type=filled, help="a board's id (default: what it says it is)")
    one.add_argument("--rollback", action="store_true", help="return to the version before")
    one.add_argument("--status", action="store_true", help="only say what is installed there")
    one.add_argument(
        "--prefix", type=filled, default="/", metavar="FOLDER", help="install below this folder of the board"
    )
    one.add_argument("--no-start", action="store_true", help="install, but do not start the service")
    payload_options(one)
    ssh_options(one)


def _list(arguments: argparse.Namespace) -> int:
    boards = profile.load_all()
    facts = {"boards": [{"id": one.id, "name": one.name, "arch": one.arch} for one in boards]}
    command.output(arguments, facts, "\n".join(f"{one.id:<18}{one.name}" for one in boards))
    return OK


def _table(arguments: argparse.Namespace) -> int:
    from boards import fleet_bench

    known = board_table.load()
    for path in arguments.records:
        known += fleet_bench.table_records(read_record(path, "fleet", command.SCHEMA, "fleet --record"))
    command.output(arguments, {"boards": board_table.rows(known)}, board_table.markdown(known))
    return OK


def _show(arguments: argparse.Namespace) -> int:
    board = profile.load(arguments.board)
    command.output(arguments, asdict(board), texts.profile_text(board))
    return OK


def _identified(facts: Facts) -> tuple[profile.Profile | None, str]:
    try:
        return match.identify(facts)
    except BoardsError as error:
        return None, str(error)


def _probe(arguments: argparse.Namespace) -> int:
    if not Path(arguments.root).is_dir():
        raise UsageError(f"--root '{arguments.root}' is not a folder")
    if arguments.host:
        from boards import deploy

        with remote_from(arguments) as remote:
            facts = deploy.probe_remote(remote)
    else:
        facts = probe(arguments.root)
    board, why = _identified(facts)
    unlike = agreement.disagreements(board, facts) if board else ()
    data = {"board": board.id if board else None, "why": why, "unlike_profile": unlike, **asdict(facts)}
    command.output(arguments, data, texts.probe_text(facts, board, why))
    if board is None:
        match.identify(facts)
    return OK


def _plan(arguments: argparse.Namespace) -> int:
    model = bundle.read(arguments.bundle)
    facts = None if arguments.board else probe()
    board = profile.load(arguments.board) if facts is None else match.identify(facts)[0]
    plan = choice.plan(board, model, facts)
    data = plan.as_json()
    command.output(arguments, data, texts.plan_text(plan))
    return OK


def _deploy(arguments: argparse.Namespace) -> int:
    from boards import deploy

    start = not arguments.no_start
    if arguments.rollback or arguments.status:
        if arguments.bundle:
            raise UsageError("--rollback and --status take a host only, no bundle")
        with remote_from(arguments) as remote:
            act = deploy.rollback if arguments.rollback else deploy.status
            result = act(remote, prefix=arguments.prefix, start=start)
    else:
        if not arguments.bundle:
            raise UsageError("what shall run on the board? ferlite boards deploy BUNDLE user@host")
        model, settings = bundle.read(arguments.bundle), settings_from(arguments)
        with remote_from(arguments) as remote:
            result = deploy.deploy(
                model,
                remote,
                board=arguments.board or "",
                settings=settings,
                cache=cache_folder() / "wheels",
                prefix=arguments.prefix,
                start=start,
            )
    command.output(arguments, result, texts.installed_text(result))
    return OK


if __name__ == "__main__":
    sys.exit(main())
