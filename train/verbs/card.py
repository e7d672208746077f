"""``ferlite train card``: the model card of a bundle, from its records."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from edge.errors import UsageError
from edge.files import write_text
from train.verbs import records

HELP = "write the model card of a bundle, from its evaluation records"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("bundle", type=Path, help="folder of the bundle")
    verb.add_argument(
        "records", type=Path, nargs="+", help="records of 'evaluate', 'probe' and 'fairness' on this bundle"
    )
    verb.add_argument(
        "--data-report",
        type=Path,
        help="record of 'data --json' of the training set, for those of 'evaluate'",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the card."""
    from edge.bundle import load
    from pages.card import FILE
    from train import card

    evaluations, probes, fairness = records.by_kind(arguments.records)
    if evaluations and not arguments.data_report:
        raise UsageError("records of 'evaluate' go with what was trained on: add --data-report FILE")
    out = arguments.bundle / FILE
    before = out.read_text(encoding="utf-8") if out.is_file() else ""
    data = card.read_data_report(arguments.data_report) if arguments.data_report else None
    text = card.write(load(arguments.bundle), evaluations, data, before, probes, fairness)
    write_text(out, text)
    command.output(arguments, {"card": str(out)}, str(out))
    return OK
