"""What is drawn, and what is hidden."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.results import Box, Face, Reading
from edge.sinks.overlay import MOSAIC, draw, hide_faces

WEIGHTS = {"anger": 0.7, "fear": 0.2, "neutral": 0.1}


def reading(box: Box, doubts: tuple[str, ...] = ()) -> Reading:
    return Reading(Face(box), WEIGHTS, "anger", doubts, track=3)


sides = st.integers(1, 400)
spots = st.floats(-300, 700)


@settings(max_examples=60, deadline=None)
@given(sides, sides, st.lists(st.tuples(spots, spots, st.floats(0, 500), st.floats(0, 500)), max_size=5))
def test_any_frame_and_any_boxes(
    height: int, width: int, boxes: list[tuple[float, float, float, float]]
) -> None:
    frame = np.full((height, width, 3), 120, np.uint8)
    readings = [reading(Box(*box)) for box in boxes]
    for picture in (draw(frame, readings), hide_faces(frame, readings)):
        assert picture.shape == frame.shape
        assert picture.dtype == np.uint8
    assert (frame == 120).all()


@pytest.mark.parametrize("place", [(20, 20), (380, 20), (200, 300), (20, 380), (180, 180)])
def test_a_panel_never_covers_a_face(place: tuple[int, int]) -> None:
    frame = np.full((480, 480, 3), 120, np.uint8)
    box, other = Box(*place, 60, 60), Box(250, 100, 60, 60)
    picture = draw(frame, [reading(box), reading(other)])
    for face in (box, other):
        x, y = int(face.x), int(face.y)
        assert (picture[y + 5 : y + 55, x + 5 : x + 55] == 120).all()
    assert (picture != frame).any()


def test_doubt_shows_in_the_colour() -> None:
    frame = np.zeros((300, 300, 3), np.uint8)
    sure, unsure = (
        draw(frame, [reading(Box(10, 10, 50, 50))]),
        draw(frame, [reading(Box(10, 10, 50, 50), ("blurred",))]),
    )
    assert tuple(sure[10, 35]) != tuple(unsure[10, 35])


@given(st.integers(30, 200), st.integers(0, 2**32 - 1))
def test_a_hidden_face_is_a_handful_of_blocks(side: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 256, (300, 300, 3)).astype(np.uint8)
    hidden = hide_faces(frame, [reading(Box(40, 40, side, side))])
    inside = hidden[40 : 40 + side, 40 : 40 + side]
    assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= MOSAIC * MOSAIC
    far = 40 + int(side * 1.25) + 2
    np.testing.assert_array_equal(hidden[far:, far:], frame[far:, far:])
