"""Whether a face looks otherwise than it did when it was last read, without reading it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from edge.align import crop_matrix
from edge.bundle_files.sections import CropRule
from edge.results import Face
from edge.video.flow import Look

SIDE = 16  # pixels of a picture that is compared: a mouth is about five wide
# The part of a crop from above the brows to below the mouth: hair, collar and background say no expression.
LEFT, TOP, PART = 0.12, 0.2, 0.76
BLOCK = 4  # pixels: the smallest part of a face whose change alone counts
LEAST_CONTRAST = 4.0  # grey levels: below it a face is nothing but noise
Picture = npt.NDArray[np.float32]

_SLOPE = np.array([[-0.5, 0, 0.5]], np.float32)
_SOFT = np.array([0.25, 0.5, 0.25], np.float32)
_DIAGONAL = np.diag_indices(8)
_DOWN, _ACROSS = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)


def picture(look: Look, face: Face, rule: CropRule) -> Picture:
    """The middle of the face as it stands in the frame, upright, float32 [16, 16] grey levels."""
    (a, b, x), (c, d, y) = crop_matrix(face, rule, SIDE).tolist()
    # From a pixel of the look to the frame, by the crop's rule to the crop, and into its middle part.
    scale, start = look.scale / PART, look.start
    at_x = ((a + b) * start + x - LEFT * SIDE) / PART - 0.5
    at_y = ((c + d) * start + y - TOP * SIDE) / PART - 0.5
    matrix = np.array([[a * scale, b * scale, at_x], [c * scale, d * scale, at_y]])
    cut = cv2.warpAffine(look.grey, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    # Noise goes, and a motion of a pixel stays within what a gradient tells.
    return np.asarray(cv2.sepFilter2D(cut, cv2.CV_32F, _SOFT, _SOFT), np.float32)


class Portrait:
    """How a face looked when it was read.

    Another light, and a crop that is slightly shifted, turned or scaled because the landmarks are never found
    in quite the same place, change nothing of an expression. To first order they change the picture along
    eight known directions (Lucas and Kanade, 1981: brightness, contrast, and the affine motions by the
    picture's own gradient), and what lies along these is left out of the difference.
    """

    def __init__(self, before: Picture) -> None:
        self._before = before.ravel()
        self._ways = np.empty((8, SIDE * SIDE), np.float32)
        ways = self._ways.reshape(8, SIDE, SIDE)
        ways[0], ways[1] = 1, before
        cv2.filter2D(before, -1, _SLOPE, ways[2])
        cv2.filter2D(before, -1, _SLOPE.T, ways[5])
        for slope in (2, 5):
            np.multiply(ways[slope], _ACROSS, ways[slope + 1])
            np.multiply(ways[slope], _DOWN, ways[slope + 2])
        # Least squares by the normal equations; a face without detail has fewer than eight ways to go.
        square = (self._ways @ self._ways.T).astype(np.float64)
        square[_DIAGONAL] = square[_DIAGONAL] * (1 + 1e-6) + 1e-3
        self._fit = np.linalg.inv(square).astype(np.float32) @ self._ways
        self._contrast = max(LEAST_CONTRAST, float(before.std()))

    def change(self, now: Picture) -> float:
        """How far ``now`` differs, 0 for not at all: in the block that differs most, root mean square, in
        standard deviations of the face's grey levels."""
        apart = now.ravel() - self._before
        rest = apart - (self._fit @ apart) @ self._ways
        blocks = cv2.blur((rest * rest).reshape(SIDE, SIDE), (BLOCK, BLOCK))
        inside = BLOCK // 2
        return math.sqrt(blocks[inside:-inside, inside:-inside].max()) / self._contrast
