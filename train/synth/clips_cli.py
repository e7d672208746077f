"""``ferlite-train clips``: make clips of rendered heads or of photographs that move."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.commands import command
from edge.commands.exits import OK
from edge.errors import StorageFailed, UsageError
from edge.files import refuse_same, write_bytes
from faces.clip_set import Clip
from faces.face_set import FaceSet, Split

HELP = "make clips of rendered heads or moved photographs"

MAKINGS, SPLITS = ("rendered", "morphed", "warped"), ("train", "public", "private")


def add(verb: command.Parser) -> None:
    """The options of the verb."""
    verb.add_argument("--out", type=Path, required=True, metavar="FILE", help="pack of clips to write, .npz")
    verb.add_argument(
        "--making", choices=MAKINGS, default="rendered", help="how they are made (default: rendered)"
    )
    verb.add_argument("--heads", type=Path, metavar="FILE", help="packed heads, to render or to warp by")
    verb.add_argument("--photos", type=Path, help="photographs to morph or warp: LFW with expressions")
    verb.add_argument(
        "--mesh", type=Path, help="face_landmark.tflite, which finds the landmarks of photographs"
    )
    verb.add_argument("--split", choices=SPLITS, default="train", help="whose clips (default: train)")
    verb.add_argument(
        "--people",
        type=command.whole(1, 100_000),
        default=10,
        metavar="N",
        help="of how many people (default: 10)",
    )
    verb.add_argument(
        "--strengths",
        type=command.number(0, 1),
        nargs="+",
        default=(),
        metavar="N",
        help="each expression at each of these (default: at one drawn from 0.25 to 1)",
    )
    verb.add_argument(
        "--side",
        type=command.whole(16, 512),
        default=48,
        metavar="N",
        help="their side in pixels (default: 48)",
    )
    verb.add_argument("--sheet", type=Path, metavar="FILE", help="picture of the first clips to write, .png")
    verb.add_argument(
        "--crop", default="fer2013", help="data set whose measured crop rule cuts rendered heads"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the clips, write them, and say what they are."""
    from faces import clip_set
    from faces.labels import EXPRESSIONS

    _refuse(arguments)
    made = _made(arguments)
    clip_set.write(made, EXPRESSIONS, arguments.making, arguments.out)
    if arguments.sheet:
        done, coded = cv2.imencode(".png", sheet(made))
        if not done:
            raise StorageFailed(f"cannot write '{arguments.sheet}': OpenCV could not encode it")
        write_bytes(arguments.sheet, coded.tobytes())
    people = len({clip.person for clip in made})
    facts = {
        "file": str(arguments.out),
        "making": arguments.making,
        "split": arguments.split,
        "clips": len(made),
        "people": people,
        "frames": len(made[0].frames),
        "rate": clip_set.RATE,
    }
    text = f"{arguments.out}: {len(made)} clips of {people} people, {arguments.making}"
    command.output(arguments, facts, text)
    return OK


def _refuse(arguments: argparse.Namespace) -> None:
    """Raise UsageError for what cannot be made, before anything is read."""
    if arguments.out.suffix != ".npz":
        raise UsageError(f"--out is '{arguments.out}', and must end with .npz")
    if arguments.sheet and arguments.sheet.suffix != ".png":
        raise UsageError(f"--sheet is '{arguments.sheet}', and must end with .png")
    wanted = {"rendered": ("heads",), "morphed": ("photos", "mesh"), "warped": ("heads", "photos", "mesh")}
    for name in ("heads", "photos", "mesh"):
        given, needed = getattr(arguments, name), name in wanted[arguments.making]
        if needed and not given:
            raise UsageError(f"{arguments.making} clips need --{name}")
        if given and not needed:
            raise UsageError(f"{arguments.making} clips take nothing from --{name}: leave it out")
    inputs = [arguments.heads, arguments.photos, arguments.mesh]
    refuse_same([arguments.out, arguments.sheet], inputs)


def _made(arguments: argparse.Namespace) -> list[Clip]:
    from faces import readers
    from faces.crop_rule import crop_rule_of
    from train.synth import clips, morph
    from train.synth.face_mesh import MeshReader
    from train.synth.families import load_heads

    strengths: tuple[float, ...] = tuple(arguments.strengths)
    if arguments.making == "rendered":
        people = numbers(arguments.split, arguments.people)
        wish = clips.Wish(people, arguments.side, strengths)
        return clips.make(load_heads(arguments.heads), wish, crop_rule_of(arguments.crop))
    photos = readers.read(arguments.photos, 96, search=False).split(arguments.split)
    photos, mesh = numbered(photos, arguments.split), MeshReader(arguments.mesh)
    try:
        if arguments.making == "morphed":
            made = morph.morphs(photos, mesh, strengths or (1.0,), arguments.people)
        else:
            head = load_heads(arguments.heads).head(0)
            made = morph.warps(photos, mesh, head, strengths or (1.0,), arguments.people)
    finally:
        mesh.close()
    return [_sized(clip, arguments.side) for clip in made]


def numbers(split: Split, count: int) -> list[int]:
    """The first ``count`` numbers of people that belong to ``split`` (``faces.readers.lfw.split_of``)."""
    from faces.readers.lfw import PUBLIC_EVERY, split_of

    return [number for number in range(PUBLIC_EVERY * (count + 1)) if split_of(number) == split][:count]


def numbered(faces: FaceSet, split: Split) -> FaceSet:
    """``faces`` whose people have numbers of ``split``, in the order in which they come."""
    if faces.person is None:
        return faces
    people = list(dict.fromkeys(faces.person.tolist()))
    number = dict(zip(people, numbers(split, len(people)), strict=True))
    return replace(faces, person=np.array([number[each] for each in faces.person.tolist()], np.int64))


def _sized(clip: Clip, side: int) -> Clip:
    from edge.classify import at_size

    share = side / clip.frames.shape[1]
    frames = np.stack([at_size(frame, side) for frame in clip.frames])
    return replace(clip, frames=frames, landmarks=((clip.landmarks + 0.5) * share - 0.5).astype(np.float32))


def sheet(clips: Sequence[Clip], rows: int = 14) -> npt.NDArray[np.uint8]:
    """The first clips as one picture uint8 [H, W]: a clip a row, every other frame."""
    lines = [np.hstack(list(clip.frames[1::2])) for clip in clips[:rows]]
    return np.asarray(np.vstack(lines), np.uint8)
