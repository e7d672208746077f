"""What a bundle may do to a grey face before its network sees it: ``input.prepare``, a list of steps.

Training runs the very same code, so that a network learns what it will be shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
# CLAHE (Zuiderveld, Graphics Gems IV, 1994): tiles a side, and how far a bin may rise above the mean.
TILES, CLIP = 4, 2.0
SPREAD = 42.5  # grey levels of one local standard deviation: three of them fill the range
FLOOR = 4.0  # grey levels: what varies less is taken for noise and not blown up
LEAST_GAMMA, MOST_GAMMA = 0.4, 2.5


def prepare(face: Grey, steps: Sequence[str]) -> Grey:
    """The face uint8 [S, S] after ``steps`` (``edge.bundle_files.sections.PrepareStep``), in their order."""
    for step in steps:
        face = _STEPS[step](face)
    return face


def _equalise(face: Grey) -> Grey:
    """Every grey level as common as the others."""
    return np.asarray(cv2.equalizeHist(face), np.uint8)


def _clahe(face: Grey) -> Grey:
    """The same in tiles, contrast limited."""
    return np.asarray(cv2.createCLAHE(CLIP, (TILES, TILES)).apply(face), np.uint8)


def _gamma(face: Grey) -> Grey:
    """The power that brings the mean level to the middle, within bounds."""
    mean = min(254.0, max(1.0, float(face.mean()))) / 255
    power = min(MOST_GAMMA, max(LEAST_GAMMA, math.log(0.5) / math.log(mean)))
    table = np.round(255 * (np.arange(256) / 255) ** power).astype(np.uint8)
    return np.asarray(cv2.LUT(face, table), np.uint8)


def _local(face: Grey) -> Grey:
    """Each level less the mean around it, divided by the standard deviation there (a sixth of the side)."""
    sigma = face.shape[0] / 6
    levels = face.astype(np.float32)
    away = levels - cv2.GaussianBlur(levels, (0, 0), sigma)
    deviation = np.sqrt(cv2.GaussianBlur(away * away, (0, 0), sigma))
    return np.clip(127.5 + SPREAD * away / np.maximum(deviation, FLOOR), 0, 255).astype(np.uint8)


_STEPS = {"equalise": _equalise, "clahe": _clahe, "gamma": _gamma, "local": _local}
