"""``ferlite train domains``: a bundle on other people and worse pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from edge.files import refuse_same

HELP = "measure a bundle on other people and worse pictures"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("bundle", help="a folder, a .zip or the name of a shipped bundle")
    verb.add_argument("--data", type=Path, required=True, help="FER2013 with FER+")
    verb.add_argument(
        "--domain",
        type=Path,
        action="append",
        default=[],
        help="another data set: LFW, CK+, JAFFE, RAF-DB, AffectNet, folders",
    )
    verb.add_argument(
        "--mesh", type=Path, help="face_landmark.tflite: adds FER2013 and LFW turned by it, to 60 degrees"
    )
    verb.add_argument("--rendered", type=Path, help="a pack of drawn faces ('train synth')")
    verb.add_argument(
        "--split",
        choices=("public", "private"),
        default="public",
        help="which of FER2013's test splits (default: public)",
    )
    verb.add_argument("--engine", default="auto", help="engine that runs the bundle")
    command.record(verb)
    command.threads(verb)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, record."""
    from edge.bundle import files_of, load
    from train import domains
    from train.classifier import BundleSubject

    others = [Path(each) for each in arguments.domain]
    read = [*files_of(arguments.bundle), arguments.data, arguments.rendered, *others]
    refuse_same([arguments.record], read)
    bundle = load(arguments.bundle)
    subject = BundleSubject(bundle, arguments.engine, arguments.threads)
    side = max(bundle.input.size, bundle.crop.size)
    found = domains.gather(
        arguments.data, arguments.domain, arguments.rendered, arguments.split, side, arguments.mesh
    )
    record = domains.measure(subject, found)
    command.keep(arguments, record)
    command.output(arguments, record, domains.as_text(record))
    return OK
