"""Video files, and videos that come over the network and have an end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from edge.align import Image
from edge.errors import FerliteError, SourceError
from edge.source import Frame
from edge.sources.capture import open_file, read
from edge.sources.containers import missing_part
from edge.sources.decode import SUFFIXES
from edge.sources.formats import HEAD, is_text, is_video
from edge.sources.timeline import Timeline, sane_rate

HANG = 0.5  # seconds for a read to end when the video is closed; one that hangs is left to itself


class VideoSource:
    """A video that ends, through OpenCV. ``missing`` says at its end, after so many frames, what it lacks.

    Where ``again`` opens it anew, it is looked at and let go of, and held only while it is read: of many
    files one is open at a time.
    """

    stills = False
    faults: Mapping[str, int] = MappingProxyType({})

    def __init__(
        self,
        name: str,
        capture: Any,
        missing: Callable[[int], str] = lambda frames: "",
        again: Callable[[], Any] | None = None,
    ) -> None:
        self._name, self._capture, self._missing, self._again = name, capture, missing, again
        self._closed, self._reading = False, threading.Lock()
        self.rate = sane_rate(float(capture.get(cv2.CAP_PROP_FPS) or 0))
        promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.total = max(0, int(promised)) if np.isfinite(promised) else 0
        if again is not None:
            capture.release()
            self._capture = None

    def frames(self) -> Iterator[Frame | FerliteError]:
        """Frames until the end, timed as the container says. Raises SourceError where it ends too soon."""
        timeline, index = Timeline(self.rate), 0
        while taken := self._read(index):
            image, stamp = taken
            yield Frame(self._name, index, timeline.at(stamp), image)
            index += 1
        if self._closed:
            return
        if index == 0:
            raise SourceError(f"video '{self._name}' has no frame that can be decoded")
        if reason := self._missing(index):
            raise SourceError(f"video '{self._name}' is cut short after {index} frames: {reason}")

    def _read(self, index: int) -> tuple[Image, float] | None:
        """The next frame and its time stamp in seconds; None at the end."""
        with self._reading:
            if self._closed:
                return None
            if self._capture is None and self._again is not None:
                self._capture = self._again()
            image = read(self._capture, self._name, index)
            return None if image is None else (image, self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)

    def close(self) -> None:
        """Release the capture, which must not happen under a thread that reads from it."""
        if self._closed:
            return
        self._closed = True
        if self._reading.acquire(timeout=HANG):
            try:
                if self._capture is not None:
                    self._capture.release()
            finally:
                self._reading.release()


def claims(spec: str) -> bool:
    """Whatever is nothing else must be a file."""
    return True


def source(spec: str) -> VideoSource:
    """The video file. Raises SourceError."""
    return VideoSource(spec, _opened(spec), lambda frames: _missing_part(Path(spec)), lambda: _opened(spec))


def _opened(spec: str) -> cv2.VideoCapture:
    path = Path(spec)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError as error:
        raise SourceError(f"no such file or folder: '{spec}'") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read '{spec}': {getattr(error, 'strerror', error)}") from error
    if not head:
        raise SourceError(f"'{spec}' is empty")
    # FFmpeg would draw the letters of a text, follow a playlist to other files, and decode by the name alone.
    if is_text(head) or (path.suffix.lower() in SUFFIXES and not is_video(head)):
        raise SourceError(f"'{spec}' is neither a picture nor a video that OpenCV knows, by its first bytes")
    return open_file(path)


def _missing_part(path: Path) -> str:
    try:
        return missing_part(path)
    except OSError as error:
        return f"it can no longer be read: {error.strerror}"
