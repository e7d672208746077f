"""Identity over frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.results import Box
from edge.track import Tracker


def numbers(tracker: Tracker, boxes: list[Box], now: float) -> list[int]:
    return [track.number for track in tracker.assign(boxes, now)]


def box(x: float, y: float = 0.0, side: float = 50.0) -> Box:
    return Box(x, y, side, side)


def test_two_people_keep_their_numbers_as_they_move_and_swap_order() -> None:
    tracker = Tracker()
    first = numbers(tracker, [box(0), box(200)], 0.0)
    assert first == [1, 2]
    for step in range(1, 20):
        left, right = box(5 * step), box(200 - 3 * step, side=80)
        assert numbers(tracker, [right, left], step * 0.04) == [2, 1]


def test_numbers_begin_where_they_are_to() -> None:
    tracker = Tracker(first=7)
    assert numbers(tracker, [box(0), box(200)], 0.0) == [7, 8]


def test_a_jump_by_less_than_a_face_keeps_the_number_a_longer_one_does_not() -> None:
    tracker = Tracker()
    numbers(tracker, [box(0)], 0.0)
    assert numbers(tracker, [box(45)], 0.1) == [1]
    assert numbers(tracker, [box(145)], 0.2) == [2]


def test_a_face_that_was_gone_too_long_is_new() -> None:
    tracker = Tracker(forget=1.0)
    numbers(tracker, [box(0)], 0.0)
    numbers(tracker, [], 0.5)
    assert numbers(tracker, [box(0)], 0.9) == [1]
    assert numbers(tracker, [box(0)], 2.0) == [2]


def test_after_clear_nobody_is_known_and_no_number_is_given_twice() -> None:
    tracker = Tracker()
    numbers(tracker, [box(0)], 5.0)
    tracker.clear()
    assert numbers(tracker, [box(0)], 0.0) == [2]


positions = st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(5, 200))


@given(st.lists(st.lists(positions, max_size=6), max_size=8))
def test_no_number_is_given_twice_in_a_frame(frames: list[list[tuple[float, float, float]]]) -> None:
    tracker = Tracker()
    for index, places in enumerate(frames):
        found = numbers(tracker, [box(*place) for place in places], index * 0.1)
        assert len(found) == len(places) == len(set(found))


def test_faces_that_were_followed_keep_their_order_and_need_not_be_near() -> None:
    tracker = Tracker()
    first = tracker.assign([box(0), box(60)], 0.0)
    assert tracker.again([box(60), box(0)], 0.1) == first
    assert [track.box.x for track in first] == [60, 0]
    assert len(tracker.again([box(0)], 0.2)) == 1, "another number of faces is assigned anew"
    tracker.clear()
    assert [track.number for track in tracker.again([box(0), box(60)], 0.3)] == [3, 4]
