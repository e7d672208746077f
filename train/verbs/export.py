"""``ferlite train export``: a run's best network as a calibrated ONNX bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from edge.files import refuse_same
from train.verbs import options

HELP = "write a run's best network as a calibrated ONNX bundle"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("model", type=Path, help="folder of a run, or its best.pt")
    options.data(verb)
    command.threads(verb)
    verb.add_argument("--out", type=Path, required=True, help="the bundle: a folder, or a .zip")
    verb.add_argument(
        "--evaluation",
        type=Path,
        action="append",
        default=[],
        help="a record of 'evaluate --json' to include",
    )
    verb.add_argument(
        "--batch",
        type=command.whole(0, 4096),
        default=0,
        metavar="N",
        help="fix the batch size (default: any)",
    )
    verb.add_argument("--crop", default="fer2013", help="crop rule: a data set's name")


def run(arguments: argparse.Namespace) -> int:
    """Calibrate, export."""
    from faces import readers
    from train import evaluate, export, loop
    from train.checkpoint import load_run, network_files

    loop.use_threads(arguments.threads)
    refuse_same([arguments.out], [*network_files(arguments.model), arguments.data, *arguments.evaluation])
    trained = load_run(arguments.model)
    records = [each for path in arguments.evaluation for each in evaluate.accuracy_records(path, trained)]
    found = readers.read(arguments.data, trained.recipe.model.input_size, arguments.layout, search=False)
    side = found.split("public").faces.shape[1]
    about = export.describe(trained, arguments.out, 1.0, records, arguments.crop, side)
    about = export.calibrated(about, trained, found)
    bundle = export.export(trained, about, arguments.batch)
    result = {"bundle": str(bundle.path), "name": bundle.name, "temperature": bundle.temperature}
    command.output(
        arguments, result, f"{bundle.path}: {bundle.description}, temperature {bundle.temperature}"
    )
    return OK
