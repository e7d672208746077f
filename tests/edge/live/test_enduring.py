"""A live run and ways out that fail."""

from __future__ import annotations

import numpy as np
import pytest

from edge.errors import SinkError
from edge.live.enduring import Enduring, pass_on
from edge.results import FrameReadings
from edge.source import Frame

FRAME = Frame("cam", 0, 0.0, np.zeros((4, 4, 3), np.uint8))
RESULT = FrameReadings("cam", 0, 0.0, 4, 4, ())


class Moody:
    """A sink that fails as it is told to."""

    name = "'out.jsonl'"

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.taken, self.closed = 0, False

    def write(self, frame: Frame, result: FrameReadings) -> None:
        if self.error:
            raise self.error
        self.taken += 1

    def close(self) -> None:
        self.closed = True


def test_a_sink_that_fails_and_recovers_costs_what_came_meanwhile() -> None:
    said: list[str] = []
    counts: dict[str, int] = {}
    sink = Moody()
    enduring = Enduring(sink, lambda error: said.append(str(error)), counts)
    enduring.write(FRAME, RESULT)
    sink.error = SinkError("No space left on device")
    for _ in range(5):
        enduring.write(FRAME, RESULT)
    sink.error = None
    enduring.write(FRAME, RESULT)
    enduring.close()
    assert (sink.taken, sink.closed, enduring.lost, counts) == (2, True, 5, {"'out.jsonl'": 5})
    assert said == [
        "'out.jsonl': 1 frame lost so far: No space left on device",
        "'out.jsonl': 5 frames lost in all: No space left on device",
    ]


def test_what_is_no_failure_of_the_sink_is_not_hidden() -> None:
    sink = Moody()
    sink.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        Enduring(sink, print).write(FRAME, RESULT)


def test_a_reader_that_leaves_takes_its_sink_along_and_the_last_one_the_run() -> None:
    one, two = Moody(), Moody()
    assert pass_on([one, two], FRAME, RESULT) == [one, two]
    one.error = BrokenPipeError()
    assert pass_on([one, two], FRAME, RESULT) == [two]
    two.error = BrokenPipeError()
    with pytest.raises(BrokenPipeError):
        pass_on([two], FRAME, RESULT)
    with pytest.raises(BrokenPipeError):
        pass_on([one, two], FRAME, RESULT)
