"""``ferlite train probe``: what a run's features know and bear, beside another run's."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from edge.files import refuse_same
from train.verbs import options

HELP = "measure what a run's features know"

# As train.probe has them, which is only imported to probe.
PROBES = ("labels", "domain", "light", "occlusion")


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    verb.add_argument("--against", type=Path, help="another run, to be held against")
    options.data(verb)
    verb.add_argument(
        "--domain",
        type=Path,
        action="append",
        default=[],
        help="another data set: LFW, drawn faces",
    )
    verb.add_argument(
        "--split", choices=("public", "private"), default="public", help="which test split (default: public)"
    )
    verb.add_argument(
        "--only",
        choices=PROBES,
        nargs="+",
        default=(),
        help="which probes (default: all that the data allow; occlusion needs the landmarks of 'train mark')",
    )
    command.record(verb)
    command.threads(verb)


def run(arguments: argparse.Namespace) -> int:
    """Probe and show."""
    from faces import readers
    from train import loop, probe
    from train.checkpoint import load_run, network_files

    networks = [*network_files(arguments.model), *network_files(arguments.against or arguments.model)]
    refuse_same([arguments.record], [*networks, arguments.data, *arguments.domain])
    loop.use_threads(arguments.threads)
    trained = load_run(arguments.model)
    against = load_run(arguments.against) if arguments.against else None
    size = trained.recipe.model.input_size
    found = readers.read(arguments.data, size, arguments.layout, search=False)
    others = [readers.read(path, size, search=False).split(arguments.split) for path in arguments.domain]
    record = probe.probe(
        trained, against, found.split("train"), others, found.split(arguments.split), arguments.only
    )
    command.keep(arguments, record)
    command.output(arguments, record, probe.as_text(record))
    return OK
