"""``ferlite train report``: evaluation records as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from edge.files import refuse_same, write_text
from train.verbs import records

HELP = "draw evaluation records as one HTML page"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("records", type=Path, nargs="+", help="records of 'evaluate' and 'probe'")
    verb.add_argument("--out", type=Path, required=True, help="HTML file to write")


def run(arguments: argparse.Namespace) -> int:
    """Draw the page."""
    from train import report

    refuse_same([arguments.out], arguments.records)
    evaluations, probes, _ = records.by_kind(arguments.records)
    write_text(arguments.out, report.page(evaluations, probes))
    result = {"report": str(arguments.out), "records": len(arguments.records)}
    command.output(arguments, result, str(arguments.out))
    return OK
