"""A source's frames through a pipeline, its steps one after the other or at the same time.

    capture            search                  read
    decodes frame 3    looks for faces in 2    classifies those of 1, which then goes out

Each step sees all frames in their order, so the readings are the same either way. A camera or stream has its
capture in a thread of its own at all times (edge/sources/live.py), and is asked for its newest frame when
there is room for one; of a file every frame is taken, and the next is decoded only when there is room for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeAlias

from edge.align import Image
from edge.errors import FerliteError, FrameLost, SourceFault
from edge.live.ahead import Ahead
from edge.pipeline import Pipeline, Sought
from edge.results import FrameReadings, Reading
from edge.source import Frame, Source
from edge.threads import allowed_processors
from edge.video.pace import Load

MOST_OVERLAP = 3  # capture, search, read
DECODED = 2  # frames that are decoded before they are asked for
SEARCHED = 1  # frame that is searched while the one before it is read
PATIENCE = 2.0  # seconds for all steps to end; one that hangs in a library is left to the process's end

Outcome: TypeAlias = "tuple[Frame, FrameReadings] | FerliteError"


class FrameReader(Protocol):
    """What a run needs of a pipeline, be it here (Pipeline) or in a process of its own (isolate.Isolated)."""

    def __call__(self, frame: Image, time: float | None = None) -> list[Reading]:
        """Readings of a uint8 [H, W, 3] BGR frame; raises FrameLost where this one could not be read."""

    def restart(self) -> None:
        """Another source begins."""

    def hurry(self, behind: float) -> None:
        """A camera's frames come ``behind`` times as fast as they are read."""


def default_overlap() -> int:
    """Steps at once where nobody chose how many: with one processor, threads would only take turns."""
    return min(MOST_OVERLAP, allowed_processors())


class Steps:
    """Iterates over each frame of ``source`` with its readings, and the failures between.

    ``most`` frames (0: all). ``live``: late is lost, and ``pipeline`` is told how late it is. ``overlap``:
    steps at the same time, 1 to MOST_OVERLAP; stills have one. A context manager: its end ends the threads.
    """

    def __init__(
        self, pipeline: FrameReader, source: Source, most: int = 0, *, live: bool = False, overlap: int = 1
    ) -> None:
        self._pipeline, self._source = pipeline, source
        self._load = Load() if live else None
        self._threads: list[Ahead[Any]] = []
        spare = 0 if source.stills else overlap - 1
        frames = until_failure(source, most)
        if spare and not live:
            frames, spare = self._ahead(frames, DECODED, "ferlite-capture"), spare - 1
        self._searched = self._search(frames)
        if spare and isinstance(pipeline, Pipeline):
            self._searched = self._ahead(self._searched, SEARCHED, "ferlite-search")

    def _ahead(self, items: Iterator[Any], most: int, name: str) -> Iterator[Any]:
        thread = Ahead(items, most, name)
        self._threads.append(thread)
        return thread

    def _search(
        self, frames: Iterator[Frame | FerliteError]
    ) -> Iterator[tuple[Frame, Sought | None] | FerliteError]:
        pipeline = self._pipeline
        for frame in frames:
            if isinstance(frame, FerliteError):
                yield frame
                continue
            if self._load is not None:
                pipeline.hurry(self._load.after(frame.missed, frame.captured))
            if frame.time is None or not isinstance(pipeline, Pipeline):
                yield frame, None
            else:
                yield frame, pipeline.search(frame.image, frame.time)

    def __iter__(self) -> Iterator[Outcome]:
        """In order. Raises what the pipeline raises, but for FrameLost, which is one of the failures."""
        for item in self._searched:
            if isinstance(item, FerliteError):
                yield item
                continue
            frame, sought = item
            try:
                outcome: Outcome = frame, self._read(frame, sought)
            except FrameLost as error:
                outcome = error
            yield outcome

    def _read(self, frame: Frame, sought: Sought | None) -> FrameReadings:
        if sought is None or frame.time is None or not isinstance(self._pipeline, Pipeline):
            return read(self._pipeline, frame)
        return _result(frame, self._pipeline.read(frame.image, frame.time, sought))

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *error: object) -> None:
        for thread in self._threads:
            thread.stop()
        if not all(thread.join(0) for thread in self._threads):
            self._source.close()  # a camera that says nothing is waited for until then
            until = time.monotonic() + PATIENCE
            for thread in self._threads:
                thread.join(max(0.0, until - time.monotonic()))


def with_last(outcomes: Iterable[Outcome]) -> Iterator[tuple[Outcome, bool]]:
    """Each outcome, and whether it is the last frame's: a frame waits until the next is there, or the end."""
    waiting: list[Outcome] = []
    try:
        for outcome in outcomes:
            if not isinstance(outcome, FerliteError):
                yield from ((each, False) for each in waiting)
                waiting = []
            waiting.append(outcome)
    except GeneratorExit:
        raise
    except BaseException:  # who interrupts the wait for a frame has those that were read before
        yield from _ended(waiting)
        raise
    yield from _ended(waiting)


def _ended(waiting: list[Outcome]) -> Iterator[tuple[Outcome, bool]]:
    return ((each, not isinstance(each, FerliteError)) for each in waiting)


def read(pipeline: FrameReader, frame: Frame) -> FrameReadings:
    """One frame's readings."""
    return _result(frame, pipeline(frame.image, frame.time))


def _result(frame: Frame, readings: list[Reading]) -> FrameReadings:
    height, width = frame.image.shape[:2]
    latency = None if frame.time is None else time.monotonic() - frame.captured
    return FrameReadings(frame.source, frame.index, frame.time, width, height, tuple(readings), latency)


def until_failure(source: Source, most: int) -> Iterator[Frame | FerliteError]:
    """``most`` of the source's frames (0: all); an error that ends it comes last, as one more item."""
    taken = 0
    try:
        for frame in source.frames():
            yield frame
            taken += not isinstance(frame, SourceFault)
            if most and taken == most:
                return
    except FerliteError as error:
        yield error
