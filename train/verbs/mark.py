"""``ferlite train mark``: FER2013's faces with the landmarks that a face mesh finds."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.exits import OK
from edge.errors import UsageError
from edge.files import refuse_same

HELP = "find FER2013's landmarks by a face mesh"


def add(verb: command.Parser) -> None:
    """The options of the verb."""
    verb.add_argument("--data", type=Path, required=True, help="FER2013, packed (.npz)")
    verb.add_argument("--mesh", type=Path, required=True, help="face_landmark.tflite")
    verb.add_argument("--out", type=Path, required=True, help="pack to write, .npz")
    verb.add_argument(
        "--every",
        type=command.whole(1, 1000),
        default=1,
        metavar="N",
        help="take every N-th face to train on and to choose by, all of the private test (default: 1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Mark, write, and say how many have a mesh."""
    from train import mark
    from train.synth.face_mesh import MeshReader

    if arguments.out.suffix != ".npz":
        raise UsageError(f"--out is '{arguments.out}', and must end with .npz")
    refuse_same([arguments.out], [arguments.data, arguments.mesh])
    reader = MeshReader(arguments.mesh)
    try:
        arrays = mark.make(arguments.data, reader, arguments.every)
    finally:
        reader.close()
    mark.write(arrays, arguments.out)
    faces = {split: len(arrays[f"{split}_x"]) for split in mark.SPLITS}
    said = ", ".join(f"{count} {split}" for split, count in faces.items())
    command.output(arguments, {"file": str(arguments.out), "faces": faces}, f"{arguments.out}: {said}")
    return OK
