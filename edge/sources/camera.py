"""Cameras on V4L2: a number, or /dev/videoN."""

from __future__ import annotations

from pathlib import Path

import cv2

from edge.errors import SourceError
from edge.sources.capture import open_capture
from edge.sources.live import LiveSource

LASTING = Path("/dev/v4l")  # udev's names by serial number and by USB port


def claims(spec: str) -> bool:
    """A number, or a device of that name."""
    return spec.isdecimal() or spec.startswith("/dev/video")


def source(spec: str) -> LiveSource:
    """The camera. Raises SourceError."""
    device = Path(spec if spec.startswith("/") else f"/dev/video{spec}")
    if not device.exists():
        there = sorted(str(path) for path in Path("/dev").glob("video*"))
        raise SourceError(
            f"no camera '{spec}': {device} does not exist; there is {', '.join(there) or 'no camera'}"
        )
    name = lasting_name(device)
    # OpenCV gives the time stamp of V4L2's buffer as the position.
    return LiveSource(spec, lambda: _capture(name), stamped=True)


def lasting_name(device: Path, links: Path = LASTING) -> Path:
    """A link that leads to ``device`` now and to the same camera when it is plugged in again, else itself.

    A camera that comes back while its old number is still held gets another one.
    """
    found = [link for folder in ("by-id", "by-path") for link in sorted((links / folder).glob("*"))]
    return next((link for link in found if link.resolve() == device.resolve()), device)


def _capture(device: Path) -> cv2.VideoCapture:
    capture = open_capture(str(device), str(device), cv2.CAP_V4L2)
    # Raw video of 640 x 480 fills a USB 2 bus; most webcams compress if asked to.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture
