"""Random changes to marked faces, their landmarks with them: things laid over them, one resampling each, then
light, blur and noise."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from train.landmarks.covers import Covers
from train.landmarks.marked import CROP, SIDE, MarkedFaces
from train.landmarks.network import MIRRORED
from train.landmarks.recipe import GRID, ChangeRecipe


class Batch(NamedTuple):
    """``pictures`` float32 [B, 1, CROP, CROP] in grey levels; ``points`` float32 [B, 68, 2] as shares of the
    crop's side; ``visible`` float32 [B, 68]: inside the crop and neither hidden nor covered; ``covered``
    float32 [B, GRID, GRID], 0-1: how much of each cell of the crop lies under things that were laid over it.
    """

    pictures: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    visible: npt.NDArray[np.float32]
    covered: npt.NDArray[np.float32]


def plain(faces: MarkedFaces, which: npt.NDArray[np.int64] | slice = slice(None)) -> Batch:
    """The middles of ``faces``, unchanged."""
    room = (SIDE - CROP) // 2
    pictures = faces.pictures[which, room : room + CROP, room : room + CROP, None].transpose(0, 3, 1, 2)
    points = faces.landmarks[which] - room
    covered = np.zeros((len(pictures), GRID, GRID), np.float32)
    return _batch(pictures.astype(np.float32), points, faces.visible[which], covered)


def changed(
    faces: MarkedFaces,
    which: npt.NDArray[np.int64],
    recipe: ChangeRecipe,
    rng: np.random.Generator,
    covers: Covers | None = None,
) -> Batch:
    """The faces at indices ``which`` [B], each changed at random, some under one or two of ``covers``."""
    pictures = np.empty((len(which), 1, CROP, CROP), np.float32)
    points = np.empty((len(which), 68, 2), np.float32)
    visible = np.empty((len(which), 68), np.bool_)
    covered = np.zeros((len(which), GRID, GRID), np.float32)
    for row, index in enumerate(which):
        matrix, mirrored = _draw_matrix(recipe, rng)
        picture, seen = faces.pictures[index], faces.visible[index]
        if covers is not None and rng.random() < recipe.worn:
            opaque = np.zeros(picture.shape, np.float32)
            for _ in range(1 + int(rng.random() < recipe.twice)):
                over = covers.over(picture, rng)
                picture, seen = over.picture, seen & ~over.covers(faces.landmarks[index])
                opaque = np.maximum(opaque, over.opaque)
            covered[row] = cv2.resize(_cut(opaque, matrix), (GRID, GRID), interpolation=cv2.INTER_AREA)
        marks = faces.landmarks[index] @ matrix[:, :2].T + matrix[:, 2]
        order = list(MIRRORED) if mirrored else slice(None)
        points[row], visible[row] = marks[order], seen[order]
        pictures[row, 0] = _photographed(np.asarray(_cut(picture, matrix), np.uint8), recipe, rng)
    return _batch(pictures, points, visible, covered)


def _batch(
    pictures: npt.NDArray[np.float32],
    points: npt.NDArray[np.float32],
    visible: npt.NDArray[np.bool_],
    covered: npt.NDArray[np.float32],
) -> Batch:
    # Middles of pixels lie at whole numbers: the crop runs from -0.5 on.
    shares = (points + 0.5) / CROP
    inside = ((shares >= 0) & (shares <= 1)).all(-1)
    return Batch(pictures, shares.astype(np.float32), (visible & inside).astype(np.float32), covered)


def _cut(picture: npt.NDArray[Any], matrix: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    return cv2.warpAffine(
        picture, matrix, (CROP, CROP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _draw_matrix(recipe: ChangeRecipe, rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], bool]:
    """From the picture with room to the crop, float64 [2, 3], and whether it mirrors."""
    angle = np.radians(np.clip(rng.normal(0, recipe.rotate / 2), -recipe.rotate, recipe.rotate))
    zoom = np.exp(rng.uniform(-recipe.scale, recipe.scale))
    mirrored = bool(rng.random() < 0.5)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirrored:
        turn = turn @ np.diag([-1.0, 1.0])
    middle = np.array([(SIDE - 1) / 2] * 2)
    shift = np.array([(CROP - 1) / 2] * 2) + rng.uniform(-recipe.shift, recipe.shift, 2) * CROP
    return np.column_stack([turn, shift - turn @ middle]), mirrored


def _photographed(
    crop: npt.NDArray[np.uint8], recipe: ChangeRecipe, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    if rng.random() < recipe.coarse:
        side = int(rng.integers(CROP // 3, CROP))
        small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
        crop = np.asarray(cv2.resize(small, (CROP, CROP), interpolation=cv2.INTER_LINEAR), np.uint8)
    values = crop.astype(np.float32)
    mean = float(values.mean())
    gain, contrast = 1 + rng.uniform(-recipe.light, recipe.light, 2)
    values = (values - mean) * contrast + mean * gain
    sigma = recipe.noise * rng.random() ** 2
    values += rng.standard_normal(values.shape, np.float32) * np.float32(sigma)
    return np.asarray(np.clip(values, 0, 255), np.float32)
