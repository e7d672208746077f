"""A step in a thread of its own: in order, bounded, and never silent about its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from edge.live.ahead import Ahead


def test_every_item_comes_in_order() -> None:
    assert list(Ahead(iter(range(500)), 3, "test")) == list(range(500))


def test_no_more_are_made_ahead_than_there_are_places() -> None:
    taken = 0
    most = []

    def numbers() -> Iterator[int]:
        for number in range(200):
            most.append(number - taken)
            yield number

    for _ in Ahead(numbers(), 3, "test"):
        taken += 1
    assert max(most) <= 3 + 1  # the places, and the one that was just taken and is not counted yet


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), SystemExit(3)])
def test_what_fails_in_the_thread_is_raised_after_what_came_before_it(error: BaseException) -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise error

    ahead = Ahead(items(), 5, "test")
    assert [next(ahead), next(ahead)] == [1, 2]
    for _ in range(2):  # whoever asks again is told again, and not kept waiting
        with pytest.raises(type(error)):
            next(ahead)


def test_stopping_ends_the_thread_wherever_it_waits_and_closes_what_it_iterates_over() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    ahead = Ahead(items(), 2, "test")
    next(ahead)
    ahead.stop()
    assert ahead.join(30)
    assert len(list(ahead)) <= 3  # what was made may still be taken
    assert closed.wait(30)
