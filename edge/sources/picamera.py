"""A Raspberry Pi's CSI camera through picamera2."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from edge.errors import FerliteError, SourceError
from edge.source import Frame


class PicameraSource:
    """The camera of "picamera2" or "picamera2:NUMBER"."""

    stills, total, rate = False, 0, 0.0

    def __init__(self, spec: str) -> None:
        try:
            from picamera2 import Picamera2
        except ImportError as error:
            raise SourceError(
                "source 'picamera2' needs the picamera2 package: sudo apt install python3-picamera2, "
                "and a virtual environment made with --system-site-packages"
            ) from error
        number = spec.partition(":")[2] or "0"
        if not number.isdecimal():
            raise SourceError(f"source '{spec}': the camera must be a number, as in picamera2:0")
        self._name = spec
        try:
            self._camera: Any = Picamera2(int(number))
            # libcamera names the formats by the order in the register: this one is BGR in memory.
            self._camera.configure(
                self._camera.create_video_configuration({"format": "RGB888", "size": (640, 480)})
            )
            self._camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            raise SourceError(f"camera '{spec}' does not start: {error}") from error

    def frames(self) -> Iterator[Frame | FerliteError]:
        """Frames for as long as the camera runs."""
        began, index = time.monotonic(), 0
        while True:
            image = self._camera.capture_array("main")
            yield Frame(self._name, index, time.monotonic() - began, np.ascontiguousarray(image[:, :, :3]))
            index += 1

    def close(self) -> None:
        """Stop the camera."""
        self._camera.stop()
        self._camera.close()


def claims(spec: str) -> bool:
    """ "picamera2", or that with a number."""
    return spec == "picamera2" or spec.startswith("picamera2:")


def source(spec: str) -> PicameraSource:
    """The camera, started. Raises SourceError."""
    return PicameraSource(spec)
