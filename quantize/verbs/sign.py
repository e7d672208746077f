"""``ferlite quantize sign``: a signature for boards that ask for one."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from edge.errors import UsageError

HELP = "sign a bundle, for ferlite run --require-signature"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("bundle", help="a folder or a .zip")
    verb.add_argument("--key", type=Path, required=True, metavar="FILE", help="private Ed25519 key in PEM")
    verb.add_argument(
        "--version",
        type=command.whole(1, 2**31),
        metavar="N",
        help="a board takes no lower one (default: one more)",
    )
    verb.add_argument("--expires", metavar="DATE", help="the last day, as in 2027-06-30 (default: none)")


def run(arguments: argparse.Namespace) -> int:
    """Sign."""
    from datetime import date

    from quantize.proof.sign import sign

    try:
        expires = date.fromisoformat(arguments.expires) if arguments.expires else None
    except ValueError as error:
        raise UsageError(
            f"--expires is '{arguments.expires}', and must be a date as in 2027-06-30"
        ) from error
    signed = sign(arguments.bundle, arguments.key, arguments.version, expires)
    until = f" until {signed.expires}" if signed.expires else ""
    text = f"'{arguments.bundle}' is signed as version {signed.version}{until} with the key {signed.key[:16]}"
    command.output(arguments, dataclasses.asdict(signed), text)
    return OK
