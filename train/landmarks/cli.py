"""``ferlite-train landmarks``: gather marked faces, learn from them, judge on people and things never
seen."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands import command
from edge.commands.exits import INTERRUPTED, OK
from edge.files import refuse_same, write_json
from train import gathered

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from train.landmarks.covers import Covers
    from train.landmarks.marked import MarkedFaces

HELP = "train the landmark network: 68 points and what can be seen"

LEARN, TEST, COVERS, RECORD = "learn.npz", "test.npz", "covers.npz", "record.json"
KEPT, GIVEN = (LEARN, TEST, COVERS), ("heads", "data", "domain", "mesh")
YAW = 60.0
THINGS = 1.5  # things to lay over faces, for each photograph of a data set


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
        default=3600,
        metavar="N",
        help="photographs of each data set, and a sixth as many heads (default: 3600)",
    )
    verb.add_argument("--init", type=Path, help="another run's landmarks.pt to start from")
    command.threads(verb)


def run(arguments: argparse.Namespace) -> int:
    """Gather what is not there yet, train or go on, judge, write the record."""
    from train import loop
    from train.checkpoint import CHECKPOINT
    from train.landmarks import judge, learn, recipe

    written = (*KEPT, RECORD, CHECKPOINT, learn.LEARNT, gathered.NAME)
    given = [getattr(arguments, name) for name in (*GIVEN, "init")]
    refuse_same([arguments.out / name for name in written], given)
    loop.use_threads(arguments.threads)
    faces, test, covers = gather(arguments)
    chosen = recipe.load()
    if not learn.fit(chosen, faces, arguments.out, arguments.init, covers):
        return INTERRUPTED
    learnt = learn.load_learnt(arguments.out)
    record = judge.record(test, learnt)
    write_json(arguments.out / RECORD, record)
    command.output(arguments, record, judge.as_text(record))
    return OK


def gather(arguments: argparse.Namespace) -> tuple[MarkedFaces, MarkedFaces, Covers]:
    """The faces to learn from, those to test on, and things to lay over the first.

    They are kept in the run's folder for the next time. Raises UsageError where they were gathered from other
    files or are so many others.
    """
    from train.lock import alone

    files = {f"--{name}": getattr(arguments, name) for name in GIVEN}
    with alone(arguments.out):
        gathered.hold(arguments.out, KEPT, files, {"--count": arguments.count})
        return _faces(arguments)


def _faces(arguments: argparse.Namespace) -> tuple[MarkedFaces, MarkedFaces, Covers]:
    from faces import readers
    from faces.crop_rule import crop_rule_of
    from train.landmarks import covers, gather, marked
    from train.synth.face_mesh import MeshReader
    from train.synth.families import load_heads

    paths = [arguments.out / name for name in KEPT]
    if all(path.is_file() for path in paths):
        return marked.read(paths[0]), marked.read(paths[1]), covers.read(paths[2])
    rule, count = crop_rule_of("fer2013"), arguments.count
    fer = readers.read(arguments.data, 48, search=False)
    lfw = readers.read(arguments.domain, 96, search=False)
    heads, reader = load_heads(arguments.heads), MeshReader(arguments.mesh)
    others = list(fer.split("public").faces[:500])
    rendered, of_fer, of_lfw = gather.SOURCES

    def photographs(
        faces: npt.NDArray[np.uint8], much: int, source: str, seed: int, straight: float, worn: Sequence[str]
    ) -> MarkedFaces:
        chosen = gather.spread(faces, much)
        found = gather.of_photographs(chosen, reader, seed, YAW, rule, straight)
        return gather.gathered(found, len(chosen), source, others, worn)

    people = range(1000, 1000 + max(1, count // 6))
    known = photographs(lfw.split("train").faces, count, of_lfw, 11, 0.4, ())
    more = photographs(fer.split("train").faces, count, of_fer, 12, 0.5, ())
    drawn = gather.of_heads(heads, people, YAW, rule, reader)
    learnt_from = marked.joined([known, more, gather.gathered(drawn, len(people), rendered, others, ())])
    test = photographs(lfw.split("private").faces, max(1, count // 3), of_lfw, 13, 0, gather.KEPT_OUT)
    reader.close()
    things = covers.draw(learnt_from, max(1, int(count * THINGS)), gather.TAUGHT, others, 14)
    marked.write(learnt_from, paths[0])
    marked.write(test, paths[1])
    covers.write(things, paths[2])
    return learnt_from, test, things
