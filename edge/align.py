"""Cut a face out of a frame the way the network's training images were cut."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.bundle import CropRule, InputSpec
from edge.results import Box, Face, Point

Image = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]


def similarity(source: Sequence[Point], target: Sequence[Point]) -> Matrix:
    """The rotation, scale and shift, float64 [2, 3], that brings ``source`` closest to ``target``.

    Least squares over all points (Umeyama, 1991), which in the plane is a linear fit of complex numbers.
    Points that all coincide give no direction or size: the result is then not finite.
    """
    start = np.array([complex(*point) for point in source])
    end = np.array([complex(*point) for point in target])
    spread, moved = start - start.mean(), end - end.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = (spread.conj() * moved).sum() / np.float64((spread.conj() * spread).sum().real)
    shift = end.mean() - turn * start.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def crop_matrix(face: Face, rule: CropRule, size: int) -> Matrix:
    """Float64 [2, 3] from frame pixels to the pixels of a ``size`` x ``size`` crop of ``face``."""
    if face.landmarks is not None:
        target = [(x * size, y * size) for x, y in rule.landmarks]
        matrix = similarity(face.landmarks, target)
        if np.isfinite(matrix).all() and np.hypot(*matrix[:, 0]) > 0:
            return matrix
    return _box_matrix(face.box, rule, size)


def align(frame: Image, face: Face, rule: CropRule, spec: InputSpec) -> Image:
    """The face as uint8 [S, S] (grey) or [S, S, 3] in the colour order of ``spec``.

    ``frame`` is uint8 [H, W, 3] BGR. What lies outside the frame is black.
    """
    matrix = crop_matrix(face, rule, spec.size)
    part, matrix = _shrink(frame, matrix, spec)
    cut = cv2.warpAffine(part, matrix, (spec.size, spec.size), flags=cv2.INTER_LINEAR)
    return np.asarray(cut, np.uint8)


def turn_of(face: Face) -> float | None:
    """How far the nose lies off the middle of eyes and mouth, in distances between eyes and mouth.

    0 for a frontal face, about 0.5 in half profile; None without landmarks. Roll does not count.
    """
    if face.landmarks is None:
        return None
    right_eye, left_eye, nose, right_mouth, left_mouth = (complex(*point) for point in face.landmarks)
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    down = mouth - eyes
    if abs(down) == 0:
        return math.inf
    # The nose, in a frame whose second axis runs from the eyes to the mouth.
    return abs(((nose - eyes) / down).imag)


def sharpness(crop: Image) -> float:
    """Fine detail as a share of all detail: RMS of the Laplacian over the standard deviation.

    The Laplacian's energy is the classic focus measure (Pech-Pacheco et al., ICPR 2000); the division
    keeps a dim or flat light from counting as blur. 0 for an even surface.
    """
    grey = crop if crop.ndim == 2 else crop.mean(2).astype(np.uint8)
    spread = float(grey.std())
    return float(cv2.Laplacian(grey, cv2.CV_32F).std()) / spread if spread > 0.5 else 0.0


def _box_matrix(box: Box, rule: CropRule, size: int) -> Matrix:
    side = math.sqrt(max(box.area, 1.0))
    scale = size / (side * rule.box_scale)
    x, y = box.centre
    x, y = x + rule.box_shift[0] * side, y + rule.box_shift[1] * side
    return np.array([[scale, 0, size / 2 - scale * x], [0, scale, size / 2 - scale * y]])


def _shrink(frame: Image, matrix: Matrix, spec: InputSpec) -> tuple[Image, Matrix]:
    """The part of the frame that the crop needs, in the crop's colours and shrunk by area averaging.

    A warp that samples every fifth pixel of a large face would see noise where the training images,
    shrunk with care, had none. Returns the part and the matrix from it to the crop.
    """
    corners = np.array([[0, 0, 1], [spec.size, 0, 1], [0, spec.size, 1], [spec.size, spec.size, 1]], float)
    full = np.vstack([matrix, [0, 0, 1]])
    inside = (np.linalg.inv(full) @ corners.T)[:2]
    height, width = frame.shape[:2]
    left, top = (max(0, math.floor(value) - 2) for value in inside.min(1))
    right = min(width, math.ceil(inside[0].max()) + 2)
    bottom = min(height, math.ceil(inside[1].max()) + 2)
    if right <= left or bottom <= top:
        return _colour(frame[:1, :1] * 0, spec), matrix
    part = _colour(frame[top:bottom, left:right], spec)
    scale = float(np.hypot(*matrix[:, 0]))
    back = np.array([[1.0, 0, left], [0, 1.0, top], [0, 0, 1]])
    if scale < 1:
        high, wide = max(1, round(part.shape[0] * scale)), max(1, round(part.shape[1] * scale))
        scale_x, scale_y = part.shape[1] / wide, part.shape[0] / high
        part = np.asarray(cv2.resize(part, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)
        # Pixel centres, not corners, keep their place.
        back = back @ np.array([[scale_x, 0, scale_x / 2 - 0.5], [0, scale_y, scale_y / 2 - 0.5], [0, 0, 1]])
    return part, (full @ back)[:2]


def _colour(part: Image, spec: InputSpec) -> Image:
    if spec.colour == "grey":
        return np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), np.uint8)
    return np.ascontiguousarray(part[:, :, ::-1]) if spec.colour == "rgb" else part
