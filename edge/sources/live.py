"""Cameras and streams that do not end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import cv2

from edge.errors import FerliteError, SourceError
from edge.source import Frame
from edge.sources.capture import read
from edge.sources.timeline import sane_rate


class LiveSource:
    """A camera or stream through OpenCV, timed by the clock. ``endless``: its end is a failure."""

    stills, total = False, 0

    def __init__(self, name: str, capture: Any, endless: bool = True) -> None:
        self._name, self._capture, self._endless = name, capture, endless
        self.rate = sane_rate(float(capture.get(cv2.CAP_PROP_FPS) or 0))

    def frames(self) -> Iterator[Frame | FerliteError]:
        """Frames for as long as they come. Raises SourceError where an endless source ends."""
        began, index = time.monotonic(), 0
        while (image := read(self._capture, self._name, index)) is not None:
            yield Frame(self._name, index, time.monotonic() - began, image)
            index += 1
        if self._endless or index == 0:
            raise SourceError(f"'{self._name}' gives no more frames after {index}")

    def close(self) -> None:
        """Release the capture."""
        self._capture.release()
