"""Photographs that move: one morphed into another of the same person, or one warped as a mesh would move it.

A morph is real at both ends and made between: landmarks go from one photograph's to the other's, both are
bent there and one fades into the other (Beier and Neely, 1992, with a spline instead of their lines). A warp
is one photograph bent alone: nothing in it opens, creases or shows teeth. Neither is a film of a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edge.commands.progress import Progress
from edge.errors import DataInvalid
from faces.clip_set import FRAMES, RATE, Clip
from faces.face_set import FaceSet
from train.synth import actions
from train.synth.clips import SECONDS, fitting_motion
from train.synth.face_mesh import MeshReader
from train.synth.mesh import Head
from train.synth.motion import Curve, times
from train.synth.warp import action_points, field_of, warp

Grey = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float32]
CALM = "neutral"


def morph(first: Grey, second: Grey, marks: tuple[Points, Points], share: float) -> Grey:
    """What lies ``share`` 0-1 of the way from ``first`` to ``second``, uint8 [S, S] both.

    ``marks``: their landmarks float32 [68, 2] in pixels. At 0 and 1 it is the photograph itself.
    """
    between = marks[0] + share * (marks[1] - marks[0])
    size = first.shape
    bent = [
        warp(picture, field_of(own, between, *size)).astype(np.float32)
        for picture, own in zip((first, second), marks, strict=True)
    ]
    return np.asarray(np.rint((1 - share) * bent[0] + share * bent[1]), np.uint8)


def rise(rng: np.random.Generator) -> Curve:
    """How far a morph has come, 0-1: it begins calm and has arrived before the last frame."""
    onset = float(rng.uniform(0.08, 0.45))
    return Curve(onset, float(rng.uniform(0.2, SECONDS - 0.12 - onset)), SECONDS, 0.25)


def morphs(faces: FaceSet, mesh: MeshReader, strengths: Sequence[float], most: int) -> list[Clip]:
    """Clips of at most ``most`` people who were photographed calm and otherwise: one of each other expression
    at each of ``strengths``, and one from calm to another calm photograph.

    People without a second photograph that the ``mesh`` is sure of are left out. Raises DataInvalid where
    persons are not known, or nobody is left.
    """
    if faces.person is None:
        raise DataInvalid(f"{faces.name} does not say who is who, and a morph stays with one person")
    chosen = _photographs(faces)
    made: list[Clip] = []
    people = 0
    with Progress("morphing", min(most, len(chosen)), "people") as progress:
        for number, (person, own) in enumerate(chosen.items()):
            if people == most:
                break
            start = _seen(faces, own[CALM][0], mesh)
            ends = {
                label: _seen(faces, rows[-1], mesh)
                for label, rows in own.items()
                if len(rows) > 1 or label != CALM
            }
            if start is None or not any(ends.values()):
                continue
            people += 1
            progress.advance()
            for label, end in ends.items():
                if end is None:
                    continue
                for turn, strength in enumerate(strengths if label != CALM else strengths[-1:]):
                    rng = np.random.default_rng([11, number, actions_index(label), turn])
                    made.append(_morphed(start, end, label, int(person), strength, rise(rng)))
    return _some(made, faces)


def warps(faces: FaceSet, mesh: MeshReader, head: Head, strengths: Sequence[float], most: int) -> list[Clip]:
    """Clips of at most ``most`` calm photographs, a person each, bent as ``head`` would move them: every
    expression at each of ``strengths``. Raises DataInvalid as ``morphs`` does."""
    if faces.person is None:
        raise DataInvalid(f"{faces.name} does not say who is who, and a clip stays with one person")
    made: list[Clip] = []
    chosen = _photographs(faces, alone=True)
    people = 0
    with Progress("warping", min(most, len(chosen)), "people") as progress:
        for number, (person, own) in enumerate(chosen.items()):
            if people == most:
                break
            seen = _seen(faces, own[CALM][0], mesh)
            if seen is None:
                continue
            people += 1
            progress.advance()
            for label in actions.EXPRESSIONS:
                for turn, strength in enumerate(strengths if label != CALM else strengths[-1:]):
                    rng = np.random.default_rng([12, number, actions_index(label), turn])
                    made.append(_warped(seen, head, label, int(person), strength, rng))
    return _some(made, faces)


def actions_index(label: str) -> int:
    """Where ``label`` stands among the expressions: seeds are drawn by it."""
    return list(actions.EXPRESSIONS).index(label)


def _photographs(faces: FaceSet, alone: bool = False) -> Mapping[int, dict[str, list[int]]]:
    """By person, by label, the rows of their photographs; people with a calm one and, unless ``alone``, one
    more of any kind."""
    assert faces.person is not None
    found: dict[int, dict[str, list[int]]] = {}
    for row, (person, label) in enumerate(zip(faces.person.tolist(), faces.labels.tolist(), strict=True)):
        found.setdefault(person, {}).setdefault(faces.classes[label], []).append(row)
    return {
        person: own
        for person, own in found.items()
        if CALM in own and (alone or len(own) > 1 or len(own[CALM]) > 1)
    }


def _seen(faces: FaceSet, row: int, mesh: MeshReader) -> tuple[Grey, Points] | None:
    picture = faces.faces[row]
    found = mesh(picture)
    return None if found is None else (picture, found.landmarks[:, :2])


def _morphed(
    start: tuple[Grey, Points],
    end: tuple[Grey, Points],
    label: str,
    person: int,
    strength: float,
    curve: Curve,
) -> Clip:
    marks = (start[1], end[1])
    shares = [strength * curve.at(float(time)) for time in times(SECONDS, RATE)]
    # The frames before the rise are the photograph itself: it is bent once for each share.
    drawn = {share: morph(start[0], end[0], marks, share) for share in dict.fromkeys(shares)}
    return Clip(
        np.stack([drawn[share] for share in shares]),
        label,
        person,
        strength if label != CALM else 0.0,
        (curve.start, curve.start + curve.rise, curve.end) if label != CALM else (0.0, 0.0, 0.0),
        np.stack([marks[0] + share * (marks[1] - marks[0]) for share in shares]).astype(np.float32),
    )


def _warped(
    seen: tuple[Grey, Points], head: Head, label: str, person: int, strength: float, rng: np.random.Generator
) -> Clip:
    picture, marks = seen
    motion = fitting_motion(label, strength, rng)
    frames, points = [], []
    for time in times(SECONDS, RATE):
        moved = action_points(head, head.able(motion.units(float(time))), marks)
        frames.append(warp(picture, field_of(marks, moved, *picture.shape)))
        points.append(moved)
    return Clip(
        np.stack(frames),
        label,
        person,
        strength if motion.curves else 0.0,
        motion.moments,
        np.stack(points).astype(np.float32),
    )


def _some(made: list[Clip], faces: FaceSet) -> list[Clip]:
    if not made:
        raise DataInvalid(f"{faces.name} has nobody whose photographs make a clip of {FRAMES} frames")
    return made
