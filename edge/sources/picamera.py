"""A Raspberry Pi's CSI camera through picamera2."""

from __future__ import annotations

from typing import Any

from edge.errors import SourceError
from edge.sources.live import LiveSource


class PicameraCapture:
    """The camera with that number, started, with the words of OpenCV's captures."""

    def __init__(self, number: int, name: str) -> None:
        from picamera2 import Picamera2

        try:
            self._camera: Any = Picamera2(number)
            # libcamera names the formats by the order in the register: this one is BGR in memory.
            self._camera.configure(
                self._camera.create_video_configuration({"format": "RGB888", "size": (640, 480)})
            )
            self._camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            raise SourceError(f"camera '{name}' does not start: {error}") from error

    def get(self, key: int) -> float:
        """OpenCV's properties, of which there are none."""
        return 0.0

    def read(self) -> tuple[bool, Any]:
        """The next frame, uint8 [H, W, 3] BGR."""
        try:
            return True, self._camera.capture_array("main")[:, :, :3].copy()
        except (RuntimeError, OSError):  # libcamera's way to say that the sensor is gone
            return False, None

    def release(self) -> None:
        """Stop the camera."""
        self._camera.stop()
        self._camera.close()


def claims(spec: str) -> bool:
    """ "picamera2", or that with a number."""
    return spec == "picamera2" or spec.startswith("picamera2:")


def source(spec: str) -> LiveSource:
    """The camera, started. Raises SourceError."""
    number = spec.partition(":")[2] or "0"
    if not number.isdecimal():
        raise SourceError(f"source '{spec}': the camera must be a number, as in picamera2:0")
    try:
        return LiveSource(spec, lambda: PicameraCapture(int(number), spec))
    except ImportError as error:
        raise SourceError(
            "source 'picamera2' needs the picamera2 package: sudo apt install python3-picamera2, "
            "and a virtual environment made with --system-site-packages"
        ) from error
