"""``ferlite-train ask``: what somebody else's network says of the faces that train, as soft labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.exits import OK
from edge.files import refuse_same

HELP = "ask face-api's network for soft labels of faces"


def add(verb: command.Parser) -> None:
    """The options of the verb."""
    verb.add_argument(
        "network", metavar="FOLDER", type=Path, help="the folder 'model' of face-api's npm package"
    )
    verb.add_argument("--data", type=Path, required=True, help="a data set: file or folder")
    verb.add_argument("-o", "--out", type=Path, required=True, help="the soft labels (.npz)")
    command.threads(verb)


def run(arguments: argparse.Namespace) -> int:
    """Read the network and the faces, ask, write."""
    from faces import readers
    from train import outside, soft_labels
    from train.loop import use_threads

    network = [arguments.network / name for name in (outside.MANIFEST, outside.WEIGHTS)]
    refuse_same([arguments.out], [arguments.data, *network])
    use_threads(arguments.threads)
    asked = outside.read(arguments.network)
    faces = readers.read(arguments.data, outside.SIDE, search=False).split("train")
    answers = outside.answers(asked, faces.faces)
    soft_labels.write(arguments.out, outside.NAME, answers, faces)
    agreed = float((answers.argmax(1) == faces.labels).mean())
    result = {"faces": len(faces), "out": str(arguments.out), "same_as_label": agreed}
    command.output(arguments, result, f"{len(faces)} faces; {agreed:.1%} named as they are labelled")
    return OK
