"""``ferlite train blend``: weights between a start and what a run made of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from edge.files import refuse_same
from train.verbs import options

HELP = "write weights between a start and what a run made of it"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    options.data(verb)
    command.threads(verb)
    verb.add_argument("--start", type=Path, required=True, help="the weights that the run began with")
    verb.add_argument(
        "--share", type=command.number(0, 1), required=True, help="how far to go from them, 0-1"
    )
    verb.add_argument("--out", type=Path, required=True, help="file to write, .pt or .pt.xz (compressed)")


def run(arguments: argparse.Namespace) -> int:
    """Write the weights."""
    from faces import readers
    from train import blend, loop
    from train.checkpoint import load_run, network_files

    loop.use_threads(arguments.threads)
    networks = [*network_files(arguments.model), *network_files(arguments.start)]
    refuse_same([arguments.out], [*networks, arguments.data])
    tuned, start = load_run(arguments.model), load_run(arguments.start)
    found = readers.read(arguments.data, tuned.recipe.model.input_size, arguments.layout, search=False)
    blend.write_blend(start, tuned, arguments.share, found.split("public"), arguments.out)
    result = {"schema": 1, "out": str(arguments.out), "share": arguments.share}
    command.output(arguments, result, f"{arguments.out}: {arguments.share:g} of the way from the start")
    return OK
