"""Landmarks that move, without pictures: what a rendered clip's landmarks would be, thousands in a minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.align import crop_matrix
from edge.bundle_files.sections import CropRule
from edge.commands.progress import Progress
from edge.results import Box, Face
from faces.clip_set import RATE
from train.synth import actions
from train.synth.clips import SECONDS, fitting_motion
from train.synth.mesh import Head, Heads
from train.synth.motion import Motion, times
from train.synth.render import five_of, projected, rotation

SIZE = 1000  # pixels of the picture that is never taken


@dataclass(frozen=True)
class Motions:
    """``paths`` float32 [N, T, 68, 2] in fractions of the crop; ``labels`` int64 [N] index ``classes``;
    ``person`` int64 [N]."""

    paths: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, which: npt.NDArray[Any]) -> Motions:
        """Those that a mask [N] or an index array selects."""
        return replace(self, paths=self.paths[which], labels=self.labels[which], person=self.person[which])


def make(heads: Heads, people: Sequence[int], rule: CropRule, weakest: float = 0.25) -> Motions:
    """A motion of each expression of each of ``people``, of a strength from ``weakest`` to 1.

    Lids, gaze, the head's drift and its view are in them; every frame is cut by ``rule`` as a rendered one.
    """
    classes = tuple(actions.EXPRESSIONS)
    paths, labels, persons = [], [], []
    with Progress("moving", len(people), "people") as progress:
        for person in people:
            few = _marked(heads.head(person))
            for label, expression in enumerate(classes):
                rng = np.random.default_rng([14, person, label])
                motion = fitting_motion(expression, float(rng.uniform(weakest, 1)), rng)
                paths.append(path_of(few, motion, rule))
                labels.append(label)
                persons.append(person)
            progress.advance()
    return Motions(np.stack(paths), np.array(labels, np.int64), np.array(persons, np.int64), classes)


def path_of(few: Head, motion: Motion, rule: CropRule) -> npt.NDArray[np.float32]:
    """Float32 [T, 68, 2]: ``few`` has no vertices but the landmarks."""
    frames = []
    for time in times(SECONDS, RATE):
        shape = few.moved(few.able(motion.units(float(time))))
        turned = shape @ rotation(motion.view_at(float(time))).T
        marks = projected(turned, SIZE)[:, :2]
        matrix = crop_matrix(Face(Box(0, 0, SIZE, SIZE), landmarks=five_of(marks)), rule, SIZE)
        frames.append((marks @ matrix[:, :2].T + matrix[:, 2]) / SIZE)
    return np.stack(frames).astype(np.float32)


def _marked(head: Head) -> Head:
    """The head's landmarks alone, as a head."""
    marks = head.landmarks
    return replace(
        head,
        neutral=head.neutral[marks],
        rest=head.rest[marks],
        tissue=head.tissue[marks],
        units={name: moved[marks] for name, moved in head.units.items()},
        landmarks=np.arange(len(marks), dtype=np.int32),
    )
