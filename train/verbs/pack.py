"""``ferlite train pack``: a run's best network in half the bytes."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from edge.files import refuse_same
from train.verbs import options

HELP = "write a run's best network in half the bytes, if nothing is lost"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    options.data(verb)
    command.threads(verb)
    verb.add_argument("--out", type=Path, required=True, help="file to write, .pt or .pt.xz (compressed)")


def run(arguments: argparse.Namespace) -> int:
    """Write the weights, if nothing is lost."""
    from faces import readers
    from train import loop, pack
    from train.checkpoint import load_run, network_files

    loop.use_threads(arguments.threads)
    refuse_same([arguments.out], [*network_files(arguments.model), arguments.data])
    trained = load_run(arguments.model)
    found = readers.read(arguments.data, trained.recipe.model.input_size, arguments.layout, search=False)
    packed = pack.pack(trained, found.split("public"), arguments.out)
    result = {"out": str(arguments.out), **asdict(packed)}
    text = f"{arguments.out}: {packed.bytes / 1e6:.2f} MB; {packed.changed} of {packed.faces} answers changed"
    command.output(arguments, result, text)
    return OK
