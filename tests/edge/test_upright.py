"""Which way up a face stands."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from edge.align import roll_of
from edge.results import Box, Face
from edge.upright import TURNS, Upright, surest, turn_back

MARKS = ((30.0, 40.0), (50.0, 40.0), (40.0, 50.0), (33.0, 60.0), (47.0, 60.0))


class ArrowDetector:
    """Finds a white arrowhead: the score says how much of it points up. No network, but real pixels."""

    scores = True

    def __init__(self, pointing_up: float = 0.92, otherwise: float = 0.8) -> None:
        self.searches, self.up, self.otherwise = 0, pointing_up, otherwise

    def __call__(self, frame: np.ndarray) -> Sequence[Face]:
        self.searches += 1
        rows, columns = np.nonzero(frame[..., 0] > 128)
        if not len(rows):
            return []
        left, top = float(columns.min()), float(rows.min())
        width, height = float(np.ptp(columns)) + 1, float(np.ptp(rows)) + 1
        upwards = (rows > top + height / 2).mean() > 0.7  # an arrowhead's weight is at its foot
        box = Box(left, top, width, height)
        marks = [(left + x / 80 * width, top + y / 80 * height) for x, y in MARKS]
        a, b, c, d, e = marks
        return [Face(box, self.up if upwards else self.otherwise, (a, b, c, d, e))]

    def close(self) -> None:
        """Nothing to free."""


def arrow(turn: int = 0) -> np.ndarray:
    """An arrowhead that points up, in a picture that was then turned so many quarters counter-clockwise."""
    frame = np.zeros((120, 200, 3), np.uint8)
    cv2.fillPoly(frame, [np.array([[60, 20], [30, 80], [90, 80]], np.int32)], (255, 255, 255))
    return np.ascontiguousarray(np.rot90(frame, turn))


@pytest.mark.parametrize("turn", range(4))
def test_a_face_comes_back_to_where_it_was(turn: int) -> None:
    way = TURNS[turn]
    frame = arrow()
    turned = frame if way is None else cv2.rotate(frame, way)
    face = ArrowDetector()(turned)[0]
    box = turn_back(face, turn, 200, 120).box
    assert (box.x, box.y, box.width, box.height) == (30, 20, 61, 61)


@pytest.mark.parametrize("turn", range(4))
def test_a_still_is_read_the_right_way_up(turn: int) -> None:
    detector = ArrowDetector()
    (face,) = Upright(detector)(arrow(turn))
    assert face.score == 0.92
    assert detector.searches == (1 if turn == 0 else 4)
    assert face.landmarks is not None
    eyes, mouth = np.mean(face.landmarks[:2], 0), np.mean(face.landmarks[3:], 0)
    down = {0: (0, 1), 1: (1, 0), 2: (0, -1), 3: (-1, 0)}[turn]
    assert np.sign(np.round(mouth - eyes)).tolist() == list(down)
    assert roll_of(face) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("turn", range(4))
def test_a_video_is_turned_once_and_then_searched_once_a_frame(turn: int) -> None:
    detector = ArrowDetector()
    upright = Upright(detector)
    for _ in range(200):
        (face,) = upright.search(arrow(turn))
        assert face.score == 0.92
    assert detector.searches == 200 + (0 if turn == 0 else 3)
    upright.restart()
    (face,) = upright.search(arrow(0))
    assert face.score == 0.92


def test_a_video_without_sure_faces_is_rarely_looked_at_from_all_sides() -> None:
    detector = ArrowDetector(0.8, 0.7)
    upright = Upright(detector)
    for _ in range(1000):
        upright.search(arrow())
    assert detector.searches < 1000 * 1.07


class CrowdDetector(ArrowDetector):
    """Finds so many more beside the arrowhead, of which it is not sure."""

    def __init__(self, sure: int, unsure: int) -> None:
        super().__init__()
        self.scores_found = [0.92] * (sure - 1) + [0.8] * unsure

    def __call__(self, frame: np.ndarray) -> Sequence[Face]:
        faces = super().__call__(frame)
        return [*faces, *(Face(faces[0].box, score, faces[0].landmarks) for score in self.scores_found)]


@pytest.mark.parametrize(("sure", "unsure", "searches"), [(3, 2, 1), (5, 1, 1), (2, 2, 4), (1, 2, 4)])
def test_a_few_unsure_faces_of_a_crowd_turn_no_video(sure: int, unsure: int, searches: int) -> None:
    detector = CrowdDetector(sure, unsure)
    assert len(Upright(detector).search(arrow())) == sure + unsure
    assert detector.searches == searches


def test_of_two_that_are_one_face_the_surer_stays_and_doubtful_ones_of_turned_pictures_go() -> None:
    here, there = Box(10, 10, 40, 40), Box(200, 10, 40, 40)
    upright = [Face(here, 0.85, MARKS), Face(there, 0.6, MARKS)]
    turned = [Face(Box(12, 10, 40, 40), 0.87, MARKS), Face(Box(400, 10, 40, 40), 0.7, MARKS)]
    surer = [Face(Box(202, 10, 40, 40), 0.91, MARKS)]
    kept = surest([upright, turned, surer])
    assert [(face.box.x, face.score) for face in kept] == [(202, 0.91), (10, 0.85)]


@pytest.mark.parametrize(("degrees", "roll"), [(0, 0), (20, 20), (-40, 40), (70, 20), (90, 0), (180, 0)])
def test_roll_is_counted_from_the_nearest_side(degrees: float, roll: float) -> None:
    turn = np.exp(1j * np.radians(degrees))
    points = [turn * complex(*mark) for mark in MARKS]
    a, b, c, d, e = ((point.real, point.imag) for point in points)
    assert roll_of(Face(Box(0, 0, 1, 1), 0.9, (a, b, c, d, e))) == pytest.approx(roll, abs=1e-6)
