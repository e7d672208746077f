"""Faces that occur twice, pixel for pixel or nearly: a test on what was learnt by heart measures nothing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.commands.progress import Progress

NEAR = 0.98  # correlation of grey levels
SIDE = 48
GLANCE, MARGIN = 12, 0.02  # side of the pictures that are glanced at, and how much less alike they may be
BLOCK = 1024
BLANK = 1.0  # standard deviation in grey levels up to which a face is blank

Faces = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Match:
    """Face ``left`` of one set and ``right`` of another.

    ``correlation`` of their grey levels is 0.98 to 1; ``exact``: the very same pixels; ``mirrored``: one is
    the other's mirror image.
    """

    left: int
    right: int
    correlation: float
    exact: bool
    mirrored: bool


def blank(faces: Faces) -> npt.NDArray[np.bool_]:
    """Which of uint8 faces [N, H, W] show nothing, bool [N]."""
    flat = faces.reshape(len(faces), -1)
    return np.asarray(flat.std(1, dtype=np.float32) <= BLANK)


def find(left: Faces, right: Faces, near: float = NEAR) -> list[Match]:
    """Pairs of uint8 faces [N, H, W] and [M, H, W] that are the same picture, or its mirror image.

    Pairs are compared at 48 x 48 by the correlation of their grey levels, which a change of brightness or
    contrast and a new JPEG encoding leave near 1. Those to compare are found at 12 x 12, where twins look
    even more alike. Blank faces match nothing.
    """
    pairs: list[Match] = []
    one, other = _descriptors(left, SIDE), _descriptors(right, SIDE)
    small, small_other = _descriptors(left, GLANCE), _descriptors(right, GLANCE)
    with Progress("looking for duplicates", len(left), "faces") as progress:
        for start in range(0, len(left), BLOCK):
            for mirrored in (False, True):
                seen = _mirrored(small_other, GLANCE) if mirrored else small_other
                rows, columns = np.nonzero(small[start : start + BLOCK] @ seen.T >= near - MARGIN)
                rows += start
                whole = _mirrored(other[columns], SIDE) if mirrored else other[columns]
                alike = np.einsum("ij,ij->i", one[rows], whole)
                for k in np.flatnonzero(alike >= near):
                    pairs.append(
                        _match(left, right, (int(rows[k]), int(columns[k])), float(alike[k]), mirrored)
                    )
            progress.advance(len(left[start : start + BLOCK]))
    return sorted(pairs, key=lambda match: (match.left, match.right, match.mirrored))


def _match(left: Faces, right: Faces, at: tuple[int, int], correlation: float, mirrored: bool) -> Match:
    row, column = at
    here, there = left[row], right[column][:, ::-1] if mirrored else right[column]
    exact = here.shape == there.shape and bool((here == there).all())
    return Match(row, column, min(1.0, round(correlation, 4)), exact, mirrored)


def _descriptors(faces: Faces, side: int) -> npt.NDArray[np.float32]:
    """Unit vectors float32 [N, side * side] whose products are correlations; zero for blank faces."""
    seen = ~blank(faces)
    if faces.shape[1:] != (side, side):
        faces = np.stack([cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) for face in faces])
    flat = faces.reshape(len(faces), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = np.divide(
        flat, length, out=np.zeros_like(flat), where=(length > 0) & seen[:, None]
    )
    return unit


def _mirrored(descriptors: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    pictures = descriptors.reshape(-1, side, side)[:, :, ::-1]
    return np.ascontiguousarray(pictures).reshape(len(descriptors), side * side)
