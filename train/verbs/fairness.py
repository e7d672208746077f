"""``ferlite-train fairness``: what a bundle says of a rendered head when its ancestry, sex, age or skin alone
changes."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from edge.commands import command
from edge.commands.exits import OK
from edge.files import refuse_same

HELP = "measure whether a bundle reads heads of other groups otherwise"


def add(verb: command.Parser) -> None:
    """The options of the verb."""
    verb.add_argument(
        "bundles", metavar="BUNDLE", nargs="+", help="a folder, a .zip or the name of a shipped bundle"
    )
    verb.add_argument("--heads", type=Path, required=True, metavar="FILE", help="packed heads of MakeHuman's")
    verb.add_argument(
        "--people",
        type=command.whole(1, 10_000),
        default=20,
        metavar="N",
        help="rendered heads, each with every expression and changed in each thing (default: 20)",
    )
    verb.add_argument("--engine", default="auto", help="engine that runs the bundles")
    command.record(verb)
    command.threads(verb)


def run(arguments: argparse.Namespace) -> int:
    """Render, ask every bundle, write the record."""
    from edge.bundle import files_of, load
    from faces.labels import EXPRESSIONS, refuse_other
    from train import fairness
    from train.classifier import BundleSubject

    refuse_same(
        [arguments.record], [arguments.heads, *(f for name in arguments.bundles for f in files_of(name))]
    )
    subjects = [BundleSubject(load(name), arguments.engine, arguments.threads) for name in arguments.bundles]
    for subject in subjects:
        refuse_other(f"bundle '{subject.bundle.path}'", subject.labels, "a rendered head", EXPRESSIONS)
    twins = fairness.make(arguments.heads, arguments.people, fairness.SIDE)
    words = [Path(name).name for name in arguments.bundles]
    words += ["--heads", arguments.heads.name, "--people", str(arguments.people)]
    record = fairness.record(
        twins,
        [fairness.measure(subject, twins) for subject in subjects],
        shlex.join(["ferlite", "train", "fairness", *words]),
    )
    command.keep(arguments, record)
    command.output(arguments, record, fairness.as_text(record))
    return OK
