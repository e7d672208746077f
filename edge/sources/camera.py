"""Cameras on V4L2: a number, or /dev/videoN."""

from __future__ import annotations

from pathlib import Path

import cv2

from edge.errors import SourceError
from edge.sources.capture import open_capture
from edge.sources.live import LiveSource


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
    capture = open_capture(str(device), str(device), cv2.CAP_V4L2)
    # Raw video of 640 x 480 fills a USB 2 bus; most webcams compress if asked to.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return LiveSource(spec, capture)
