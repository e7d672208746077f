"""``ferlite train data``: what there is to learn from."""

from __future__ import annotations

import argparse

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from train.verbs import options

HELP = "describe a data set, and look for faces that repeat across splits"


def add(verb: Parser) -> None:
    """The options."""
    options.data(verb)
    verb.add_argument(
        "--side",
        type=command.whole(16, 512),
        default=48,
        metavar="PX",
        help="pixels to bring pictures to (default: 48)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Describe the data set."""
    from faces import readers

    found = readers.read(arguments.data, arguments.side, arguments.layout, search=True)
    report = readers.describe(found)
    command.output(arguments, report, readers.as_text(report))
    return OK
