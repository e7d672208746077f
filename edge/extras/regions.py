"""Where the parts of a face lie in its crop, and how much of each is seen: from a landmarks bundle.

Six masks on a coarse grid: the two brows, the two eyes, nose and mouth. Each is a Gaussian around the
part's landmarks whose largest cell is how visible they are on average, 0-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edge import bundle as bundles
from edge import engine as engines
from edge.align import align, between_crops
from edge.bundle_files.sections import CropRule, Extra
from edge.errors import ModelMismatch
from edge.extras.extra import Context, Surroundings
from edge.landmarks import Landmarker

Floats = npt.NDArray[np.float32]
# Of the 68 landmarks: right and left brow, right and left eye (of the person), nose, mouth.
PARTS = ((17, 22), (22, 27), (36, 42), (42, 48), (27, 36), (48, 68))
# What a mirrored face has in their places.
MIRRORED = (1, 0, 3, 2, 4, 5)
SHIPPED = "landmarks"
# A part is at least so wide (standard deviation, fraction of the crop): about half a cell of 6 x 6.
LEAST = 0.08
BROW_ABOVE = 0.12  # how far brows are above the eyes, in fractions of the crop


def masks(points: npt.NDArray[np.floating], visible: npt.NDArray[np.floating], grid: int) -> Floats:
    """Masks float32 [N, 6, grid, grid] of landmarks [N, 68, 2] (fractions of the crop), seen so [N, 68]."""
    middles = np.stack([points[:, a:b].mean(1) for a, b in PARTS], 1)
    spreads = np.stack([points[:, a:b].std(1) for a, b in PARTS], 1)
    seen = np.stack([visible[:, a:b].mean(1) for a, b in PARTS], 1)
    return _gaussians(middles, np.maximum(spreads, LEAST), seen, grid)


def fixed_masks(five: Sequence[tuple[float, float]], grid: int) -> Floats:
    """The masks [6, grid, grid] of a face that lies as the crop rule's landmarks say, all of it seen."""
    right_eye, left_eye, nose, right_mouth, left_mouth = (np.array(point) for point in five)
    up = np.array([0.0, BROW_ABOVE])
    mouth = (right_mouth + left_mouth) / 2
    middles = np.stack([right_eye - up, left_eye - up, right_eye, left_eye, nose, mouth])[None]
    spreads = np.full((1, len(PARTS), 2), LEAST)
    spreads[0, -1, 0] = max(LEAST, abs(left_mouth - right_mouth)[0] / 3)
    masks_: Floats = _gaussians(middles, spreads, np.ones((1, len(PARTS))), grid)[0]
    return masks_


def _gaussians(
    middles: npt.NDArray[np.floating],
    spreads: npt.NDArray[np.floating],
    seen: npt.NDArray[np.floating],
    grid: int,
) -> Floats:
    centres = (np.arange(grid) + 0.5) / grid
    across = np.exp(-0.5 * ((centres - middles[..., :1]) / spreads[..., :1]) ** 2)
    down = np.exp(-0.5 * ((centres - middles[..., 1:]) / spreads[..., 1:]) ** 2)
    drawn = down[..., :, None] * across[..., None, :]
    # A part between two cells, or out of the crop, must not seem hidden for that.
    drawn = drawn / np.maximum(drawn.max((2, 3), keepdims=True), 1e-12)
    return np.asarray(drawn * seen[..., None, None], np.float32)


def _cut_alike(rule: CropRule, other: CropRule) -> bool:
    """Whether a face's crops show the same part of the frame, be they of as many pixels or not."""
    return replace(rule, size=0) == replace(other, size=0)


class Regions:
    """See ``edge.extras.extra.Source``."""

    def __init__(self, extra: Extra, around: Surroundings) -> None:
        if extra.shape[:1] != (len(PARTS),) or len(extra.shape) != 3 or extra.shape[1] != extra.shape[2]:
            raise ModelMismatch(
                f"bundle '{around.bundle.name}': regions are {len(PARTS)} x N x N masks, not {extra.shape}"
            )
        self._grid, self._landmarker = extra.shape[1], None
        where = around.landmarks or (SHIPPED if SHIPPED in bundles.shipped("landmarks") else "")
        if where:
            loaded = bundles.load(where, around.trusted)
            self._ours, self._theirs = around.bundle, loaded
            engine = engines.choose(around.engine if around.engine in loaded.files else "auto", loaded.files)
            self._landmarker = Landmarker(loaded, engine.name, around.options)
        self.doubt = "" if self._landmarker else "no landmarks bundle: parts of the face are guessed"

    def __call__(self, context: Context) -> Floats | None:
        """Masks [N, 6, grid, grid], None without a landmarks bundle."""
        if self._landmarker is None:
            return None
        if _cut_alike(self._ours.crop, self._theirs.crop):
            return masks(*self._landmarker(context.crops), self._grid)
        return masks(*self._found_otherwise(self._landmarker, context), self._grid)

    def _found_otherwise(self, landmarker: Landmarker, context: Context) -> tuple[Floats, Floats]:
        """The landmarks in crops of their own, brought to where they lie in those that are read."""
        ours, theirs = self._ours, self._theirs
        side = theirs.crop.size or theirs.input.size
        points, visible = landmarker(
            [align(context.frame, face, theirs.crop, theirs.input) for face in context.faces]
        )
        ways = [
            between_crops(face, theirs.crop, side, ours.crop, crop.shape[0])
            for face, crop in zip(context.faces, context.crops, strict=True)
        ]
        moved = [own @ way[:, :2].T + way[:, 2] for own, way in zip(points, ways, strict=True)]
        return np.asarray(moved, np.float32).reshape(points.shape), visible

    def take(self, context: Context, features: Floats, weights: npt.NDArray[np.floating]) -> None:
        """Nothing to learn."""

    def restart(self) -> None:
        """Nothing is remembered."""

    def close(self) -> None:
        """Free the landmarks model."""
        if self._landmarker is not None:
            self._landmarker.close()
