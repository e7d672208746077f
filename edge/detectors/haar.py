"""OpenCV's frontal-face Haar cascade (Viola and Jones, 2001): no landmarks, but always at hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.align import Image
from edge.detect import DetectorOptions
from edge.errors import DetectorFailed, DetectorMissing
from edge.results import Box, Face

CASCADE = "haarcascade_frontalface_default.xml"
SMALLEST = 24  # the cascade's own window, pixels


class HaarDetector:
    """Runs the cascade that comes inside OpenCV's wheel (or the .xml file in ``options.model``)."""

    scores = False

    def __init__(self, options: DetectorOptions) -> None:
        if reason := self.lacks(options):
            raise DetectorMissing(reason)
        path = _cascade(options)
        # The constructor would print to the terminal about a bad file before it says so.
        self._cascade = cv2.CascadeClassifier()
        try:
            loaded = self._cascade.load(str(path))
        except cv2.error:
            loaded = False
        if not loaded:
            raise DetectorFailed(f"'{path}' is not a Haar cascade that OpenCV can load")
        self._size = options.size

    @staticmethod
    def lacks(options: DetectorOptions) -> str:
        """What is missing, as a sentence; "" where nothing is."""
        if not hasattr(cv2, "CascadeClassifier"):
            return f"detector 'haar' needs OpenCV below 5, and this is {cv2.__version__}"
        path = _cascade(options)
        return "" if path.is_file() else f"detector 'haar' has no file '{path}'"

    def __call__(self, frame: Image) -> list[Face]:
        """Faces without score and landmarks, the largest first."""
        height, width = frame.shape[:2]
        scale = min(1.0, self._size / max(height, width))
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        if scale < 1:
            small = (max(1, round(width * scale)), max(1, round(height * scale)))
            grey = cv2.resize(grey, small, interpolation=cv2.INTER_AREA)
        found = self._cascade.detectMultiScale(
            cv2.equalizeHist(grey), scaleFactor=1.1, minNeighbors=5, minSize=(SMALLEST, SMALLEST)
        )
        boxes = np.asarray(found, np.float64).reshape(-1, 4) / scale
        return [Face(Box(*map(float, box))) for box in sorted(boxes, key=lambda box: -box[2] * box[3])]

    def close(self) -> None:
        """Nothing to free."""


def _cascade(options: DetectorOptions) -> Path:
    if options.model is not None:
        return options.model
    return Path(getattr(cv2, "data").haarcascades) / CASCADE  # noqa: B009 - absent from OpenCV's type stubs
