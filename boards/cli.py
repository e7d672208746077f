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

from boards import (
    agreement,
    board_table,
    bundle,
    choice,
    cli_emulate,
    cli_make,
    deploy,
    match,
    profile,
    texts,
)
from boards.cli_verb import add_verb, cache_folder, output, payload_arguments, settings_from
from boards.errors import BoardsError, FileRefused, UsageError
from boards.facts import Facts
from boards.probe import probe
from boards.remote import Remote
from edge import exits
from edge.errors import FerliteError
from edge.files import reason


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, run the verb, and return its exit code."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    return exits.guard("ferlite boards", lambda: _act(arguments))


def _act(arguments: argparse.Namespace) -> int:
    """Run the verb. With --json its errors are JSON too, on standard error."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    try:
        try:
            return action(arguments)
        except OSError as error:
            if isinstance(error, FerliteError):
                raise
            raise FileRefused(f"'{error.filename}' cannot be used: {reason(error)}") from error
    except FerliteError as error:
        if not arguments.json:
            raise
        told = {"error": type(error).__name__, "message": " ".join(str(error).split())}
        print(json.dumps(told), file=sys.stderr)
        return exits.USAGE if isinstance(error, UsageError) else exits.FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ferlite boards", description="Know boards, and put ferlite on them."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add_verb(verbs, "list", "list the boards that ferlite knows", _list)
    add_verb(verbs, "table", "print README's table of what was run on which board", _table)
    one = add_verb(verbs, "show", "show one board's profile", _show)
    one.add_argument("board", metavar="BOARD", help="a board's id, or a profile of your own (.toml)")
    one = add_verb(verbs, "probe", "find out what this board is and what it can do", _probe)
    one.add_argument("--root", default="/", help="read the recorded file tree in this folder instead")
    one.add_argument("--host", default="", help="probe this board over ssh instead")
    _ssh_arguments(one)
    one = add_verb(verbs, "plan", "explain which engine runs a bundle on a board", _plan)
    one.add_argument("bundle", metavar="BUNDLE", help="folder of a model bundle")
    one.add_argument("--board", default="", help="a board's id (default: this machine)")
    _deploy_parser(verbs)
    cli_make.add_verbs(verbs)
    cli_emulate.add_verbs(verbs)
    return parser


def _deploy_parser(verbs: Any) -> None:
    one = add_verb(verbs, "deploy", "put a bundle on a board over ssh, and start it at power-on", _deploy)
    one.add_argument("bundle", metavar="BUNDLE", nargs="?", default="", help="folder of a model bundle")
    one.add_argument("host", metavar="HOST", help="the board, as user@host")
    one.add_argument("--board", default="", help="a board's id (default: what the board says it is)")
    one.add_argument("--rollback", action="store_true", help="return to the version before")
    one.add_argument("--status", action="store_true", help="only say what is installed there")
    one.add_argument("--prefix", default="/", help="install below this folder of the board")
    one.add_argument("--no-start", action="store_true", help="install, but do not start the service")
    payload_arguments(one)
    _ssh_arguments(one)


def _ssh_arguments(one: argparse.ArgumentParser) -> None:
    one.add_argument("--port", type=int, default=0, help="ssh port")
    one.add_argument("--identity", default="", help="ssh key file")
    one.add_argument("--ssh-config", default="", help="ssh configuration file")
    one.add_argument(
        "--accept-new-host-key", action="store_true", help="trust a host seen for the first time"
    )


def _list(arguments: argparse.Namespace) -> int:
    boards = profile.load_all()
    rows = [f"{one.id:<18}{one.name}" for one in boards]
    output(
        arguments.json,
        [{"id": one.id, "name": one.name, "arch": one.arch} for one in boards],
        "\n".join(rows),
    )
    return 0


def _table(arguments: argparse.Namespace) -> int:
    known = board_table.load()
    output(arguments.json, board_table.rows(known), board_table.markdown(known))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    board = profile.load(arguments.board)
    output(arguments.json, asdict(board), texts.profile_text(board))
    return 0


def _identified(facts: Facts) -> tuple[profile.Profile | None, str]:
    try:
        return match.identify(facts)
    except BoardsError as error:
        return None, str(error)


def _probe(arguments: argparse.Namespace) -> int:
    if not Path(arguments.root).is_dir():
        raise UsageError(f"--root '{arguments.root}' is not a folder")
    if arguments.host:
        with _remote(arguments) as remote:
            facts = deploy.probe_remote(remote)
    else:
        facts = probe(arguments.root)
    board, why = _identified(facts)
    unlike = agreement.disagreements(board, facts) if board else ()
    data = {"board": board.id if board else None, "why": why, "unlike_profile": unlike, **asdict(facts)}
    output(arguments.json, data, texts.probe_text(facts, board, why))
    if board is None:
        match.identify(facts)
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    model = bundle.read(arguments.bundle)
    facts = None if arguments.board else probe()
    board = profile.load(arguments.board) if facts is None else match.identify(facts)[0]
    chosen = choice.plan(board, model, facts)
    data = chosen.as_json()
    output(arguments.json, data, texts.plan_text(chosen))
    return 0


def _remote(arguments: argparse.Namespace) -> Remote:
    return Remote(
        arguments.host, port=arguments.port, identity=arguments.identity, config=arguments.ssh_config,
        accept_new_host_key=arguments.accept_new_host_key,
    )  # fmt: skip


def _deploy(arguments: argparse.Namespace) -> int:
    start = not arguments.no_start
    if arguments.rollback or arguments.status:
        if arguments.bundle:
            raise UsageError("--rollback and --status take a host only, no bundle")
        with _remote(arguments) as remote:
            act = deploy.rollback if arguments.rollback else deploy.status
            result = act(remote, prefix=arguments.prefix, start=start)
    else:
        if not arguments.bundle:
            raise UsageError("what shall run on the board? ferlite boards deploy BUNDLE user@host")
        model, settings = bundle.read(arguments.bundle), settings_from(arguments)
        with _remote(arguments) as remote:
            result = deploy.deploy(
                model, remote, board=arguments.board, settings=settings, cache=cache_folder() / "wheels",
                prefix=arguments.prefix, start=start,
            )  # fmt: skip
    output(arguments.json, result, texts.installed_text(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
