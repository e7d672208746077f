"""``ferlite run`` as a library call: sources through a pipeline into sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edge.errors import FerliteError
from edge.pipeline import Pipeline
from edge.progress import Progress
from edge.results import FrameReadings
from edge.sinks import Sink
from edge.source import Frame, Source


@dataclass
class Summary:
    """What was done: frames read, faces found in them, and what could not be read."""

    frames: int = 0
    faces: int = 0
    failures: int = 0


def run(
    pipeline: Pipeline,
    source: Source,
    sinks: Sequence[Sink],
    *,
    most: int = 0,
    complain: Callable[[FerliteError], None] = lambda error: None,
    after_frame: Callable[[], None] = lambda: None,
) -> Summary:
    """Take ``most`` frames (0: all) from ``source`` through ``pipeline`` into ``sinks``.

    A file or stream that fails is handed to ``complain`` and counted; the rest goes on. ``after_frame`` is
    called when a frame has passed all the way. Raises SinkError where results cannot be written.
    """
    summary = Summary()
    pipeline.restart()
    total = min(most, source.total) if most and source.total else most or source.total
    with Progress("reading", total, "frames") as progress:
        for frame in _until_failure(source, most):
            if isinstance(frame, FerliteError):
                summary.failures += 1
                progress.clear()
                complain(frame)
            else:
                result = read(pipeline, frame)
                progress.clear()
                for sink in sinks:
                    sink.write(frame, result)
                summary.frames += 1
                summary.faces += len(result.readings)
                after_frame()
            progress.advance(note=f"{summary.faces} faces")
    return summary


def read(pipeline: Pipeline, frame: Frame) -> FrameReadings:
    """One frame's readings."""
    height, width = frame.image.shape[:2]
    readings = tuple(pipeline(frame.image, frame.time))
    return FrameReadings(frame.source, frame.index, frame.time, width, height, readings)


def _until_failure(source: Source, most: int) -> Iterator[Frame | FerliteError]:
    """The source's frames; an error that ends it comes last, as one more item."""
    taken = 0
    try:
        for frame in source.frames():
            yield frame
            taken += 1
            if taken == most:
                return
    except FerliteError as error:
        yield error
