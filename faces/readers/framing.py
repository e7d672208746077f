"""Faces out of whole frames, cut as the runtime cuts them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.align import Image, align
from edge.bundle_files.sections import InputSpec
from edge.detect import DetectorOptions
from edge.detectors.haar import HaarDetector
from edge.errors import DataInvalid
from faces.crop_rule import crop_rule_of


class FaceCutter:
    """Finds the largest face of a frame (Haar cascade) and cuts it as FER2013's faces were cut."""

    def __init__(self, side: int) -> None:
        self._detector = HaarDetector(DetectorOptions())
        self._rule = crop_rule_of("fer2013")
        self._spec = InputSpec(side, "grey", (0.0,), (1.0,))

    def __call__(self, frame: Image, name: str) -> npt.NDArray[np.uint8]:
        """Uint8 [S, S] from a BGR frame. Raises DataInvalid where no face is found."""
        found = self._detector(frame)
        if not found:
            raise DataInvalid(f"'{name}': no face found")
        return align(frame, found[0], self._rule, self._spec)
