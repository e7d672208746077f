"""A video with the overlay: .mp4, .avi or .mkv."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from edge.align import Image
from edge.errors import SinkError
from edge.files import part_of, reason
from edge.results import FrameReadings
from edge.sink import Target
from edge.sinks.overlay import annotated
from edge.sinks.strip import Strip
from edge.source import Frame
from edge.sources.containers import missing_part

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "MJPG"}
USUAL_RATE = 25.0
LONGEST_PAUSE = 60.0  # seconds without a frame that are played as such; a longer one is cut to this


class VideoSink:
    """Plays at the speed of its source: a frame that came late stands for longer, a hurried one is left out.

    The file is there whole, having been read back, or not at all.
    """

    def __init__(self, target: Target) -> None:
        self._place, self._privacy = Path(target.place), target.privacy
        self.name = f"'{self._place}'"
        self._rate = target.rate or USUAL_RATE
        suffix = self._place.suffix.lower()
        if suffix not in CODECS:
            raise SinkError(f"cannot save video as '{self._place}': end its name in {', '.join(CODECS)}")
        if not self._place.parent.is_dir():
            raise SinkError(f"cannot write '{self._place}': there is no folder '{self._place.parent}'")
        # Absolute, for FFmpeg takes a name with a colon for an address.
        self._part = part_of(self._place.resolve(), keep_suffix=True)
        try:
            str(self._part).encode()
        except UnicodeEncodeError as error:
            raise SinkError(f"cannot save video as '{self._place}': OpenCV needs a name in UTF-8") from error
        self._codec = cv2.VideoWriter.fourcc(*CODECS[suffix])
        self._writer: cv2.VideoWriter | None = None
        self._last: Image | None = None
        self._strip = Strip()
        self._size, self._written, self._began, self._pauses = (0, 0), 0, 0.0, 0.0

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One frame; the first sets the video's size."""
        picture = annotated(frame.image, result.readings, self._privacy)
        if result.moments is not None and frame.time is not None:
            self._strip.take(result)
            self._strip.draw(picture, frame.time)
        if self._writer is None:
            self._open(picture, frame.time or 0.0)
        elif (picture.shape[1], picture.shape[0]) != self._size:
            picture = np.asarray(cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        due = self._due(frame.time)
        while self._written < due - 1 and self._last is not None:
            self._put(self._last)  # the one before stood until now
        if self._written < due:
            self._put(picture)
        self._last = picture

    def _due(self, time: float | None) -> int:
        """How many frames the video must have when this one is in it."""
        if time is None:
            return self._written + 1
        late = time - self._began - self._pauses - self._written / self._rate
        if late > LONGEST_PAUSE:
            self._pauses += late - LONGEST_PAUSE
        return round((time - self._began - self._pauses) * self._rate) + 1

    def _open(self, picture: Image, time: float) -> None:
        self._size, self._began = (picture.shape[1], picture.shape[0]), time
        # With FFmpeg where there is one: other backends take a % in the name for a pattern.
        for backend in (cv2.CAP_FFMPEG, cv2.CAP_ANY):
            self._writer = cv2.VideoWriter(str(self._part), backend, self._codec, self._rate, self._size)
            if self._writer.isOpened():
                return
        self._writer = None
        raise SinkError(f"cannot write '{self._place}': OpenCV cannot begin a video there")

    def _put(self, picture: Image) -> None:
        assert self._writer is not None
        self._writer.write(picture)
        self._written += 1

    def close(self) -> None:
        """Finish the file, read it back and give it its name. Raises SinkError."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        try:
            if missing := self._missing():
                raise SinkError(f"cannot write '{self._place}': {missing}")
            self._part.replace(self._place.resolve())
        except SinkError:
            raise
        except OSError as error:
            raise SinkError(f"cannot write '{self._place}': {reason(error)}") from error
        finally:
            self._part.unlink(missing_ok=True)

    def _missing(self) -> str:
        """What the file lacks, having read its last frame back: FFmpeg does not say that a disk was full."""
        if not self._part.exists() or not self._part.stat().st_size:
            return "nothing of the video reached the disk: is it full?"
        handle = os.open(self._part, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if missing_part(self._part):
            return "a part of the file is missing: is the disk full?"
        capture = cv2.VideoCapture(str(self._part), cv2.CAP_ANY)
        try:
            last = capture.isOpened() and capture.set(cv2.CAP_PROP_POS_FRAMES, max(0, self._written - 1))
            if not last or not capture.read()[0]:
                return f"of {self._written} frames the last cannot be read back: is the disk full?"
        finally:
            capture.release()
        return ""
