"""``ferlite quantize voice``: the voice network to a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK
from edge.files import refuse_same
from quantize.verbs import options

HELP = "the voice network of 'train voice' to a bundle"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("run", type=Path, help="folder of its run")
    verb.add_argument("--data", type=Path, required=True, help="the voices it learnt from: EmoDB, packed")
    verb.add_argument(
        "--domain", type=Path, required=True, help="FER2013: how far faces are to be believed beside it"
    )
    options.bundle(verb)
    command.record(verb)


def run(arguments: argparse.Namespace) -> int:
    """Build, judge, write."""
    from edge import bundle as bundles
    from edge.classify import load_classifier
    from edge.engine import EngineOptions
    from faces.face_set import load_fer2013
    from quantize.kinds import voice
    from train.voice import readers
    from train.voice.cli import WHOLE, folder
    from train.voice.judge import FOLDS, refuse_unfolded
    from train.voice.learn import LEARNT

    folds = [folder(arguments.run, fold) for fold in range(len(FOLDS))]
    kept = [each / LEARNT for each in (*folds, arguments.run / WHOLE)]
    refuse_same([arguments.out, arguments.record], [arguments.run, *kept, arguments.data, arguments.domain])
    names = options.engines(arguments, voice.RECIPES)
    voices = readers.read(arguments.data)
    refuse_unfolded(voices)
    faces = load_fer2013(arguments.domain, "public")
    beside = load_classifier(bundles.load(), names[0], EngineOptions(threads=1), "balanced")
    believed = voice.precision_of_faces(beside, faces)
    beside.close()
    record = voice.build(arguments.run, voices, arguments.out, names, believed)
    command.keep(arguments, record)
    lines = [f"float: {record['float']['accuracy']:.1%} of {len(voices)} utterances, speakers left out"]
    for name, row in record["engines"].items():
        ships = "" if row["ships"] == "int8" else ", so float ships"
        lines.append(f"{name}: {row['bytes'] / 1e6:.2f} MB, int8 {row['accuracy']:.1%}{ships}")
    command.output(arguments, record, "\n".join(lines))
    return OK
