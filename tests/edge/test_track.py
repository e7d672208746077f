"""Identity over frames and smoothing over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.results import Box
from edge.track import Tracker


def box(x: float, y: float = 0.0, side: float = 50.0) -> Box:
    return Box(x, y, side, side)


def test_two_people_keep_their_numbers_as_they_move_and_swap_order() -> None:
    tracker = Tracker()
    first = tracker.assign([box(0), box(200)], 0.0)
    assert first == [1, 2]
    for step in range(1, 20):
        left, right = box(5 * step), box(200 - 3 * step, side=80)
        assert tracker.assign([right, left], step * 0.04) == [2, 1]


def test_a_jump_by_less_than_a_face_keeps_the_number_a_longer_one_does_not() -> None:
    tracker = Tracker()
    tracker.assign([box(0)], 0.0)
    assert tracker.assign([box(45)], 0.1) == [1]
    assert tracker.assign([box(145)], 0.2) == [2]


def test_a_face_that_was_gone_too_long_is_new() -> None:
    tracker = Tracker(forget=1.0)
    tracker.assign([box(0)], 0.0)
    tracker.assign([], 0.5)
    assert tracker.assign([box(0)], 0.9) == [1]
    assert tracker.assign([box(0)], 2.0) == [2]


def test_after_clear_nobody_is_known_and_no_number_is_given_twice() -> None:
    tracker = Tracker()
    tracker.assign([box(0)], 5.0)
    tracker.clear()
    assert tracker.assign([box(0)], 0.0) == [2]


def smooth_over(tracker: Tracker, rows: list[list[float]], pause: float) -> np.ndarray:
    result = np.array([])
    for index, row in enumerate(rows):
        (number,) = tracker.assign([box(0)], index * pause)
        result = tracker.smooth(number, np.array(row), index * pause)
    return result


def test_smoothing_depends_on_time_not_on_the_frame_rate() -> None:
    slow = smooth_over(Tracker(smooth=0.4), [[1, 0]] + [[0, 1]] * 10, 0.1)
    fast = smooth_over(Tracker(smooth=0.4), [[1, 0]] + [[0, 1]] * 100, 0.01)
    np.testing.assert_allclose(slow, fast, atol=1e-9)
    assert slow[0] == pytest.approx(np.exp(-1 / 0.4))


def test_no_smoothing_gives_each_frame_its_own() -> None:
    np.testing.assert_array_equal(smooth_over(Tracker(smooth=0), [[1, 0], [0.25, 0.75]], 0.01), [0.25, 0.75])


weights = st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda row: sum(row) > 0.01)


@given(st.lists(weights, min_size=1, max_size=8), st.floats(0, 0.5))
def test_smoothed_weights_still_sum_to_one(rows: list[list[float]], pause: float) -> None:
    normal = [[value / sum(row) for value in row] for row in rows]
    result = smooth_over(Tracker(smooth=0.3), normal, pause)
    assert result.sum() == pytest.approx(1)
    assert (result >= 0).all()


positions = st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(5, 200))


@given(st.lists(st.lists(positions, max_size=6), max_size=8))
def test_no_number_is_given_twice_in_a_frame(frames: list[list[tuple[float, float, float]]]) -> None:
    tracker = Tracker()
    for index, places in enumerate(frames):
        numbers = tracker.assign([box(*place) for place in places], index * 0.1)
        assert len(numbers) == len(places) == len(set(numbers))
