"""OpenCV's VideoCapture, opened with care and asked for frames that are all alike."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.align import Image
from edge.errors import SourceError
from edge.sources.decode import pixel_limit

OPEN_TIMEOUT_MS = 5000


def open_capture(
    name: str, address: str, backend: int, timeout_ms: int = OPEN_TIMEOUT_MS
) -> cv2.VideoCapture:
    """The capture of ``address``; ``name`` stands for it in messages. Raises SourceError."""
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        timeout_ms,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        timeout_ms,
    ]
    try:
        capture = cv2.VideoCapture(address, backend, timeouts if backend == cv2.CAP_FFMPEG else [])
    except cv2.error as error:
        raise SourceError(f"'{name}' cannot be opened as video") from error
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"'{name}' cannot be opened: it is no picture or video that OpenCV knows, or is cut short"
        )
    wide, high = (int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if wide * high > pixel_limit():
        capture.release()
        raise SourceError(f"'{name}' has {wide} x {high} pixels, over the limit of {pixel_limit():,} pixels")
    return capture


def open_file(path: Path) -> cv2.VideoCapture:
    """The capture of a video file whatever its name. Raises SourceError.

    FFmpeg takes "12:30.mp4" for a protocol, OpenCV dies of a name that is not UTF-8, and "%" is a pattern to
    both: an absolute path has no protocol, and an open file has a name of its own.
    """
    address = os.path.abspath(path)  # noqa: PTH100 - it must not follow links: a pipe's target has no name
    with suppress(UnicodeEncodeError):
        address.encode()
        if "%" not in address:
            return open_capture(str(path), address, cv2.CAP_FFMPEG)
    try:
        with path.open("rb") as file:
            return open_capture(str(path), f"/proc/self/fd/{file.fileno()}", cv2.CAP_FFMPEG)
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"cannot read '{path}': {error.strerror}") from error


def read(capture: Any, name: str, index: int) -> Image | None:
    """The next frame as uint8 [H, W, 3] BGR; None where there is no more. Raises SourceError."""
    try:
        good, image = capture.read()
    except cv2.error as error:
        raise SourceError(f"'{name}' cannot be decoded after {index} frames") from error
    return as_bgr(image) if good and image is not None else None


def as_bgr(image: Any) -> Image:
    """Uint8 [H, W, 3] BGR of what a capture gave: grey and alpha are brought to it."""
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    elif image.shape[2] == 4:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    return np.asarray(image, np.uint8)
