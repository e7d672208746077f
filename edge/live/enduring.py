"""A run that goes on when a way out fails: a camera's moment does not come back."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence

from edge.errors import FerliteError, FrameNotSaved, SinkError
from edge.live.losses import Losses
from edge.results import FrameReadings
from edge.sink import Sink
from edge.source import Frame


class Enduring:
    """A sink whose failures cost frames, which are counted and said, and never the run.

    It is asked again at every frame: a disk that has room again, or a reader that has caught up, gets what
    comes then. Only a reader that has left for good raises BrokenPipeError.
    """

    def __init__(
        self,
        sink: Sink,
        complain: Callable[[FerliteError], None],
        counts: MutableMapping[str, int] | None = None,
    ) -> None:
        self._sink = sink
        self.name = sink.name
        self._losses = Losses(sink.name, complain, counts)

    @property
    def lost(self) -> int:
        """Frames that did not get out."""
        return self._losses.count

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One frame, or one more that is lost."""
        try:
            self._sink.write(frame, result)
        except SinkError as error:
            self._losses.lost(str(error))

    def close(self) -> None:
        """Close the sink, and say what was lost. Raises SinkError where the whole of it is."""
        try:
            self._sink.close()
        finally:
            self._losses.close()


def pass_on(
    sinks: Sequence[Sink],
    frame: Frame,
    result: FrameReadings,
    failed: Callable[[FerliteError], None] = lambda error: None,
) -> list[Sink]:
    """Give the frame to all ``sinks``; those that can be given more. ``failed`` hears of FrameNotSaved.

    A reader that left takes its own sink along and not the others. Raises BrokenPipeError when the last has
    gone, and what else a sink raises.
    """
    left: list[Sink] = []
    for sink in sinks:
        try:
            sink.write(frame, result)
        except FrameNotSaved as error:
            failed(error)
        except BrokenPipeError:
            continue
        left.append(sink)
    if not left and sinks:
        raise BrokenPipeError
    return left
