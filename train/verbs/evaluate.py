"""``ferlite train evaluate``: a run's best network, or a bundle, on a test split."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from edge.files import refuse_same
from train.verbs import options

HELP = "measure a run's best network, or a bundle, on a test split"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("model", type=Path, help="folder of a run, its best.pt, or a bundle")
    options.data(verb)
    command.threads(verb)
    verb.add_argument(
        "--split", choices=("public", "private"), default="public", help="which test split (default: public)"
    )
    verb.add_argument("--engine", default="auto", help="engine that runs a bundle")
    verb.add_argument("--flip", action="store_true", help="mean with the mirrored face, at twice the cost")
    verb.add_argument("--corruptions", action="store_true", help="measure on worsened faces too: slow")
    command.record(verb)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, record."""
    from faces import readers
    from train import evaluate, loop
    from train.checkpoint import network_files
    from train.classifier import open_subject

    refuse_same([arguments.record], [*network_files(arguments.model), arguments.data])
    loop.use_threads(arguments.threads)
    subject = open_subject(arguments.model, arguments.engine, arguments.threads, arguments.flip)
    # Pictures come at the size of the network, as the runtime's crops do.
    found = readers.read(arguments.data, subject.describe()["input_size"], arguments.layout, search=False)
    record = evaluate.evaluate(
        subject,
        found.split(arguments.split),
        found.split("public"),
        found.split("train") if "train" in found.splits else None,
        corruptions=arguments.corruptions,
    )
    command.keep(arguments, record)
    command.output(arguments, record, evaluate.as_text(record))
    return OK
