"""Cut a face out of a frame the way the network's training images were cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import CropRule, InputSpec
from edge.errors import UsageError
from edge.results import Box, Face, Point

Image = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]


def check_frame(frame: Any, time: float | None = None) -> None:
    """Raise UsageError for what is no uint8 [H, W, 3] frame, or a ``time`` that is no number.

    Detectors answer a float picture with no face and one of 16 bits with nine, so it is not left to them.
    """
    if not isinstance(frame, np.ndarray):
        raise UsageError(f"a frame must be an array, uint8 [H, W, 3] in BGR, not {type(frame).__name__}")
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        shape = ", ".join(map(str, frame.shape))
        raise UsageError(f"a frame must be uint8 [H, W, 3] in BGR, not {frame.dtype} [{shape}]")
    if time is not None and not math.isfinite(time):
        raise UsageError(f"a frame's time must be seconds, or None for a still, not {time}")


def similarity(source: Sequence[Point], target: Sequence[Point]) -> Matrix:
    """The rotation, scale and shift, float64 [2, 3], that brings ``source`` closest to ``target``.

    Least squares over all points (Umeyama, 1991), which in the plane is a linear fit of complex numbers.
    Points that all coincide give no direction or size: the result is then not finite.
    """
    # Five points in plain Python are done before numpy has made its first array of them.
    start, end = [complex(*point) for point in source], [complex(*point) for point in target]
    middle, goal = sum(start) / len(start), sum(end) / len(end)
    spread = sum(((p - middle) * (p - middle).conjugate()).real for p in start)
    moved = sum(((p - middle).conjugate() * (q - goal) for p, q in zip(start, end, strict=True)), 0j)
    turn = moved / spread if spread else complex(math.nan, math.nan)
    shift = goal - turn * middle
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def crop_matrix(face: Face, rule: CropRule, size: int) -> Matrix:
    """Float64 [2, 3] from frame pixels to the pixels of a ``size`` x ``size`` crop of ``face``."""
    if face.landmarks is not None:
        matrix = similarity(face.landmarks, [(x * size, y * size) for x, y in rule.landmarks])
        # The sum is finite only where every element is.
        if math.isfinite(matrix.sum()) and (matrix[0, 0] or matrix[1, 0]):
            return matrix
    return _box_matrix(face.box, rule, size)


def between_crops(face: Face, theirs: CropRule, their_size: int, ours: CropRule, size: int) -> Matrix:
    """Float64 [2, 3] from places in one crop of ``face`` to the same places in another.

    Both in fractions of the crop, as landmarks networks tell them: a pixel's middle is half a pixel in.
    ``their_size`` and ``size`` are the crops' sides in pixels.
    """
    back = cv2.invertAffineTransform(crop_matrix(face, theirs, their_size))
    there = np.vstack([back, (0, 0, 1)])
    to_pixels = np.array([[their_size, 0, -0.5], [0, their_size, -0.5], [0, 0, 1]])
    to_fractions = np.array([[1 / size, 0, 0.5 / size], [0, 1 / size, 0.5 / size]])
    here = np.vstack([crop_matrix(face, ours, size), (0, 0, 1)])
    return np.asarray(to_fractions @ here @ there @ to_pixels, np.float64)


def align(frame: Image, face: Face, rule: CropRule, spec: InputSpec) -> Image:
    """The face as uint8 [S, S] (grey) or [S, S, 3] in the colour order of ``spec``, S pixels by the rule.

    ``frame`` is uint8 [H, W, 3] BGR. What lies outside the frame is black. Where the input is larger
    than the training images were, the classifier enlarges the crop, as training did: what was measured on
    such images holds of such crops.
    """
    side = rule.size or spec.size
    matrix = crop_matrix(face, rule, side)
    part, matrix = _shrink(frame, matrix, side, spec)
    cut = cv2.warpAffine(part, matrix, (side, side), flags=cv2.INTER_LINEAR)
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


def roll_of(face: Face) -> float | None:
    """Degrees, 0-45, between the face's axis from eyes to mouth and the nearest side of the picture.

    None without landmarks. A face on its side or upside down has none: it was found in a turned picture.
    """
    if face.landmarks is None:
        return None
    right_eye, left_eye, _, right_mouth, left_mouth = face.landmarks
    right = right_mouth[0] + left_mouth[0] - right_eye[0] - left_eye[0]
    down = right_mouth[1] + left_mouth[1] - right_eye[1] - left_eye[1]
    return abs((math.degrees(math.atan2(right, down)) + 45) % 90 - 45)


def sharpness(crop: Image, side: float = 0.0) -> float:
    """Fine detail as a share of all detail: RMS of the Laplacian over the standard deviation.

    A crop of more than ``side`` pixels is brought to it first: the same face has less of it in more pixels.

    The Laplacian's energy is the classic focus measure (Pech-Pacheco et al., ICPR 2000); the division
    keeps a dim or flat light from counting as blur. 0 for an even surface.
    """
    if 0 < side < crop.shape[0]:
        crop = np.asarray(
            cv2.resize(crop, (round(side), round(side)), interpolation=cv2.INTER_AREA), np.uint8
        )
    grey = crop if crop.ndim == 2 else cv2.transform(crop, _MEAN_OF_COLOURS)
    spread = _deviation(grey)
    return _deviation(cv2.Laplacian(grey, cv2.CV_32F)) / spread if spread > 0.5 else 0.0


_MEAN_OF_COLOURS = np.full((1, 3), 1 / 3)


def _deviation(picture: npt.NDArray[Any]) -> float:
    return float(cv2.meanStdDev(picture)[1][0, 0])


def _box_matrix(box: Box, rule: CropRule, size: int) -> Matrix:
    side = math.sqrt(max(box.area, 1.0))
    scale = size / (side * rule.box_scale)
    x, y = box.centre
    x, y = x + rule.box_shift[0] * side, y + rule.box_shift[1] * side
    return np.array([[scale, 0, size / 2 - scale * x], [0, scale, size / 2 - scale * y]])


def _shrink(frame: Image, matrix: Matrix, size: int, spec: InputSpec) -> tuple[Image, Matrix]:
    """The part of the frame that a crop of ``size`` pixels needs, in the crop's colours, shrunk by averaging.

    A warp that samples every fifth pixel of a large face would see noise where the training images,
    shrunk with care, had none. Returns the part and the matrix from it to the crop.
    """
    (a, b, x), (c, d, y) = matrix.tolist()
    determinant = a * d - b * c
    corners = [
        ((d * (u - x) - b * (v - y)) / determinant, (a * (v - y) - c * (u - x)) / determinant)
        for u, v in ((0, 0), (size, 0), (0, size), (size, size))
    ]
    height, width = frame.shape[:2]
    left, top = (max(0, math.floor(min(values)) - 2) for values in zip(*corners, strict=True))
    right, bottom = (math.ceil(max(values)) + 2 for values in zip(*corners, strict=True))
    right, bottom = min(width, right), min(height, bottom)
    if right <= left or bottom <= top:
        return _colour(frame[:1, :1] * 0, spec), matrix
    part = _colour(frame[top:bottom, left:right], spec)
    scale = math.hypot(a, c)
    scale_x = scale_y = 1.0
    if scale < 1:
        high, wide = max(1, round(part.shape[0] * scale)), max(1, round(part.shape[1] * scale))
        scale_x, scale_y = part.shape[1] / wide, part.shape[0] / high
        part = np.asarray(cv2.resize(part, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)
    # Pixel centres, not corners, keep their place.
    at_x, at_y = left + scale_x / 2 - 0.5, top + scale_y / 2 - 0.5
    return part, np.array(
        [
            [a * scale_x, b * scale_y, a * at_x + b * at_y + x],
            [c * scale_x, d * scale_y, c * at_x + d * at_y + y],
        ]
    )


def _colour(part: Image, spec: InputSpec) -> Image:
    if spec.colour == "grey":
        return np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), np.uint8)
    return np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2RGB), np.uint8) if spec.colour == "rgb" else part
