"""``ferlite-train landmarks``: gather marked faces, learn from them, judge on people and things never
seen."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands import command
from edge.commands.exits import INTERRUPTED, OK
from edge.files import write_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from train.landmarks.marked import MarkedFaces

LEARN, TEST, RECORD = "learn.npz", "test.npz", "record.json"
YAW = 60.0


def add(verb: command.Parser) -> None:
    """The options of the verb."""
    for option, text in (
        ("--heads", "packed heads: ICT-FaceKit's or MakeHuman's"),
        ("--data", "FER2013"),
        ("--domain", "LFW with expressions, whose odd people test"),
        ("--mesh", "face_landmark.tflite"),
        ("--out", "folder of the run"),
    ):
        verb.add_argument(option, type=Path, required=True, help=text)
    verb.add_argument(
        "--count",
        type=command.whole(1, 1_000_000),
        default=3500,
        metavar="N",
        help="photographs of each data set, and a third as many heads (default: 3500)",
    )
    verb.add_argument("--init", type=Path, help="another run's landmarks.pt to start from")
    verb.add_argument(
        "--threads", type=command.whole(0, 256), default=0, metavar="N", help="CPU threads (default: all)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Gather what is not there yet, train or go on, judge, write the record."""
    from train import loop
    from train.landmarks import judge, learn, recipe

    loop.use_threads(arguments.threads)
    faces, test = gather(arguments)
    chosen = recipe.load()
    if not learn.fit(chosen, faces, arguments.out, arguments.init):
        return INTERRUPTED
    learnt = learn.load_learnt(arguments.out)
    record = judge.record(test, learnt)
    write_text(arguments.out / RECORD, json.dumps(record, indent=1) + "\n")
    command.output(arguments, record, judge.as_text(record))
    return OK


def gather(arguments: argparse.Namespace) -> tuple[MarkedFaces, MarkedFaces]:
    """The faces to learn from and those to test on, kept in the run's folder for the next time."""
    from faces import readers
    from faces.crop_rule import crop_rule_of
    from train.landmarks import gather, marked
    from train.synth.face_mesh import MeshReader
    from train.synth.families import load_heads

    paths = arguments.out / LEARN, arguments.out / TEST
    if all(path.is_file() for path in paths):
        return marked.read(paths[0]), marked.read(paths[1])
    rule, count = crop_rule_of("fer2013"), arguments.count
    fer = readers.read(arguments.data, 48, search=False)
    lfw = readers.read(arguments.domain, 96, search=False)
    heads, reader = load_heads(arguments.heads), MeshReader(arguments.mesh)
    others = list(fer.split("public").faces[:500])

    def photographs(faces: Sequence[npt.NDArray[np.uint8]], seed: int, straight: float) -> Any:
        return gather.of_photographs(faces, reader, seed, YAW, rule, straight)

    def worn(found: Any, much: int, source: str, kinds: Sequence[str]) -> MarkedFaces:
        return gather.gathered(found, much, source, others, kinds, min(4, len(kinds)))

    rendered, of_fer, of_lfw = gather.SOURCES
    people = range(1000, 1000 + count // 3)
    learnt_from = marked.joined(
        [
            worn(
                photographs(gather.spread(lfw.split("train").faces, count), 11, 0.4),
                count,
                of_lfw,
                gather.TAUGHT,
            ),
            worn(
                photographs(gather.spread(fer.split("train").faces, count), 12, 0.5),
                count,
                of_fer,
                gather.TAUGHT,
            ),
            worn(gather.of_heads(heads, people, YAW, rule, reader), len(people), rendered, gather.TAUGHT),
        ]
    )
    unseen = gather.spread(lfw.split("private").faces, max(1, count // 3))
    test = worn(photographs(unseen, 13, 0), len(unseen), of_lfw, gather.KEPT_OUT)
    reader.close()
    arguments.out.mkdir(parents=True, exist_ok=True)
    marked.write(learnt_from, paths[0])
    marked.write(test, paths[1])
    return learnt_from, test
