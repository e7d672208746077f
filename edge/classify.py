from __future__ import annotations
from collections.abc import Sequence
from typing import Any
import cv2
import numpy as np
import numpy.typing as npt
from edge.bundle import InputSpec

def to_input(crops: Sequence[npt.NDArray[np.uint8]], spec: InputSpec) -> npt.NDArray[np.float32]:
    size = spec.size
    batch = np.stack([c if c.shape[:2] == (size, size) else cv2.resize(c, (size, size)) for c in crops])
    return ((batch.astype(np.float32)[:, None] - np.float32(spec.mean[0])) / np.float32(spec.std[0]))
