"""Photographs that move, watched as ``ferlite run --moments`` watches faces: what the spotter learns from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.commands.progress import Progress
from edge.errors import DataInvalid
from edge.moments.history import RATE, ROWS, row
from edge.moments.motion import FaceMotion
from edge.moments.regions import REGIONS, Floats
from edge.moments.rule import RuleSpotter
from train.spotter.motion_set import Event, MotionSet, joined
from train.synth.face_mesh import MeshReader
from train.synth.mesh import Head
from train.synth.moments import Film, shoot


def calm_people(photos: Any) -> npt.NDArray[np.int64]:
    """The row of each person's first calm photograph."""
    calm = np.flatnonzero(photos.labels == photos.classes.index("neutral"))
    _, first = np.unique(photos.person[calm], return_index=True)
    return calm[first]


def films(
    photos: Any, mesh: MeshReader, head: Head, people: int, seconds: float, seed: int
) -> Iterator[Film]:
    """A film of each of so many ``people``'s first calm photograph that the mesh is sure of."""
    made = 0
    for which in calm_people(photos):
        found = mesh(photos.faces[which])
        if found is None:
            continue
        # The person's number of the data set is a hash: the film's seed is the count.
        yield shoot(photos.faces[which], found.landmarks[:, :2], head, made, seconds, seed)
        made += 1
        if made == people:
            return


def happened(film: Film) -> list[Event]:
    """What happens in a film, as a motion set keeps it."""
    return [
        (each.kind, each.curve.start, each.apex, each.curve.end, each.reach, each.tone)
        for each in film.happenings
    ]


def rows_of(film: Film, rate: float) -> npt.NDArray[np.float16]:
    """What is measured of a film's face, float16 [T, ROWS], the rule choosing the frames to compare with.

    At a ``rate`` of less than RATE, which costs less, moments between frames are drawn: see ``between``.
    """
    measure, rule = FaceMotion(), RuleSpotter()
    shift = np.zeros((len(REGIONS), 2), np.float32)
    rows = []
    for time, picture, face in film.frames(rate):
        motion = measure(np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8), face)
        rule(time, motion)
        lost = np.full(ROWS, np.nan, np.float32)
        rows.append(lost if motion.lost else row(motion, shift, rule.height))
        if rule.rest:
            measure.rest()
            shift = np.zeros_like(shift) if motion.lost else shift + motion.parts
    apart = round(RATE / rate)
    return between(np.stack(rows), apart, np.random.default_rng([22, film.person, film.seed])).astype(
        np.float16
    )


def between(rows: Floats, apart: int, rng: np.random.Generator) -> Floats:
    """Moments [N * apart, ROWS] of ``rows`` [N, ROWS]: on the line between two, as noisy as they are.

    A camera's noise is another in each frame, and the mean of two has less of it.
    """
    if apart == 1:
        return rows
    after = np.concatenate([rows[1:], rows[-1:]])
    # What a line through the two around it leaves of a moment is its own noise and half of each of theirs.
    rough = rows[1:-1] - (rows[:-2] + rows[2:]) / 2
    noise = 1.48 * np.nanmedian(np.abs(rough), 0) / np.sqrt(1.5)
    made = np.empty((len(rows), apart, rows.shape[1]), np.float32)
    for index in range(apart):
        share = index / apart
        less = np.sqrt(1 - share**2 - (1 - share) ** 2)
        made[:, index] = (1 - share) * rows + share * after + less * rng.normal(0, noise, rows.shape)
    return made.reshape(-1, rows.shape[1])


def gathered(
    photos: Any, mesh: MeshReader, head: Head, people: int, seconds: float, seed: int, rate: float = RATE
) -> MotionSet:
    """Films of so many people, or of as many as there are, at ``rate`` frames a second.

    Raises DataInvalid where there is none.
    """
    found = []
    with Progress("films", people, "films") as progress:
        for film in films(photos, mesh, head, people, seconds, seed):
            found.append((rows_of(film, rate), happened(film)))
            progress.advance()
    if not found:
        raise DataInvalid("no calm face was found among the photographs: nothing can be made to move")
    return joined(found)
