"""A stream of faces with known landmarks: things are drawn over some, and what they hide is known too."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from faces.face_set import FaceSet
from train.augment import augment_moving, prepared
from train.lessons import Lessons, apart, as_they_come
from train.recipe import Recipe
from train.streams import Stream
from train.synth.wear import KINDS, wear


class Landmarked(NamedTuple):
    """What the stream gives at a step.

    ``grey`` and ``indices`` as ``train.streams.Drawn`` has them; ``points`` float32 [B, 68, 2], where the
    landmarks came to lie, in fractions of the picture, and ``visible`` float32 [B, 68], 0-1. Of a
    ``mirrored`` face (bool [B]) the person's right lies where the left is meant. ``lessons`` judge answers by
    ``target``, float32 [B, sources * labels].
    """

    grey: torch.Tensor
    indices: torch.Tensor
    points: npt.NDArray[np.float32]
    visible: npt.NDArray[np.float32]
    mirrored: npt.NDArray[np.bool_]
    target: torch.Tensor
    lessons: Lessons


class LandmarkedStream(Stream):
    """Faces with landmarks, a ``share`` of them with an occluder of ``kinds`` drawn over."""

    def __init__(
        self, recipe: Recipe, name: str, faces: FaceSet, share: float, kinds: tuple[str, ...] = tuple(KINDS)
    ) -> None:
        super().__init__(recipe, name, faces)
        self._share, self._kinds = share, kinds
        self._lessons = apart(recipe, faces) if recipe.data.balanced else as_they_come(recipe, faces)

    def at(self, step: int, size: int) -> Landmarked:  # type: ignore[override]
        """The batch that belongs to ``step``, in pictures of ``size`` pixels. Seeds torch."""
        rng, chosen = self._draw(step)
        faces, landmarks = self.faces, self.faces.landmarks
        assert landmarks is not None
        points = landmarks[chosen].copy()
        visible = np.ones(points.shape[:2], np.float32) if faces.visible is None else faces.visible[chosen]
        worn, visible = faces.faces[chosen].copy(), visible.copy()
        side = worn.shape[1]
        for row in np.flatnonzero(rng.random(len(worn)) < self._share):
            kind = str(rng.choice(self._kinds))
            other = faces.faces[rng.integers(len(faces))]
            marks = points[row].astype(np.float64) * side
            dressed = wear(worn[row], marks, kind, rng, other if kind == "patch" else None)
            worn[row] = dressed.picture
            visible[row][dressed.covers(marks)] = 0
        torch.manual_seed(int(rng.integers(2**31)))
        grey, points, mirrored = augment_moving(torch.from_numpy(worn), points, size, self._recipe.augment)
        grey = prepared(grey, self._recipe.data.prepare)
        indices = torch.from_numpy(chosen)
        target = self._lessons.targets[indices]
        return Landmarked(grey, indices, points, visible, mirrored, target, self._lessons)
