"""Following faces between searches: known motion is recovered, and what cannot be followed is searched."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from edge.flow import Flow
from edge.follow import Follower
from edge.results import Box, Face, Landmarks

RANDOM = np.random.default_rng(4)
# A wall and two heads with detail at several scales, as cameras see them.
WALL, HEAD, OTHER = (
    sum(
        cv2.resize(RANDOM.integers(0, 80, (side // size, side // size), np.uint8), (side, side))
        for size in (24, 12, 6)
    ).astype(np.uint8)
    for side in (720, 96, 96)
)
TEMPLATE = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.75), (0.65, 0.75))


def scene(*heads: tuple[np.ndarray, int, int]) -> np.ndarray:
    """480 x 640 with each (head, left, top)."""
    frame = WALL[:480, :640].copy()
    for head, left, top in heads:
        frame[top : top + 96, left : left + 96] = head
    return cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)


def face(left: float, top: float, landmarks: bool = True) -> Face:
    marks: Landmarks | None = None
    if landmarks:
        a, b, c, d, e = ((left + 96 * u, top + 96 * v) for u, v in TEMPLATE)
        marks = (a, b, c, d, e)
    return Face(Box(left, top, 96, 96), 0.9, marks)


class HeadDetector:
    """Finds the heads by their own pixels, and counts how often it was asked."""

    def __init__(self) -> None:
        self.searches = 0
        self.blind = False

    def __call__(self, frame: np.ndarray) -> Sequence[Face]:
        self.searches += 1
        found = []
        for head in (HEAD, OTHER):
            likeness = cv2.matchTemplate(frame[..., 0], head, cv2.TM_CCOEFF_NORMED)
            _, best, _, (left, top) = cv2.minMaxLoc(likeness)
            if best > 0.95 and not self.blind:
                found.append(face(left, top))
        return found

    def close(self) -> None:
        """Nothing to free."""


@pytest.mark.parametrize("landmarks", [True, False])
@pytest.mark.parametrize(
    ("angle", "zoom", "shift"),
    [(0, 1, (0, 0)), (0, 1, (9, -6)), (0.05, 1.04, (3, 2)), (-0.04, 0.95, (-4, 5))],
)
def test_a_known_motion_is_recovered(
    angle: float, zoom: float, shift: tuple[int, int], landmarks: bool
) -> None:
    before = scene((HEAD, 250, 180))
    turn = zoom * complex(math.cos(angle), math.sin(angle))
    pivot = complex(298, 228)
    offset = pivot + complex(*shift) - turn * pivot
    matrix = np.array([[turn.real, -turn.imag, offset.real], [turn.imag, turn.real, offset.imag]])
    after = cv2.warpAffine(before, matrix, (640, 480), borderMode=cv2.BORDER_REFLECT)
    flow, start = Flow(), face(250, 180, landmarks)
    flow.remember(before, [start])
    (moved,) = flow.follow(after, [start]) or [None]
    assert moved is not None and moved.score == start.score
    centre = complex(*moved.box.centre)
    assert abs(centre - pivot - complex(*shift)) < 1.0
    assert moved.box.width == pytest.approx(96 * zoom, abs=1.5)
    assert (moved.landmarks is not None) == landmarks
    if moved.landmarks and start.landmarks:
        for was, now in zip(start.landmarks, moved.landmarks, strict=True):
            assert abs(turn * complex(*was) + offset - complex(*now)) < 1.5


def test_motion_is_measured_across_many_frames_without_drifting_off() -> None:
    flow, faces = Flow(), [face(100, 100), face(400, 200)]
    flow.remember(scene((HEAD, 100, 100), (OTHER, 400, 200)), faces)
    for step in range(1, 20):
        followed = flow.follow(
            scene((HEAD, 100 + 4 * step, 100 + 2 * step), (OTHER, 400 - 3 * step, 200)), faces
        )
        assert followed is not None
        faces = followed
    assert math.dist(faces[0].box.centre, (148 + 76, 148 + 38)) < 3
    assert math.dist(faces[1].box.centre, (448 - 57, 248)) < 3


def test_what_is_no_longer_there_is_not_followed() -> None:
    flow, start = Flow(), face(250, 180)
    here = scene((HEAD, 250, 180))
    assert flow.follow(here, [start]) is None, "nothing was remembered"
    flow.remember(here, [start])
    assert flow.follow(here[:400], [start]) is None, "another frame shape"
    flow.remember(here, [start])
    assert flow.follow(255 - here, [start]) is None, "another scene"
    flow.remember(here, [start])
    assert flow.follow(cv2.flip(here, 0), [start]) is None
    gone = face(-60, 180)
    flow.remember(here, [gone])
    assert flow.follow(here, [gone]) is None, "beyond the frame's edge"


def test_a_face_without_extent_is_no_accident() -> None:
    here, flow = scene(), Flow()
    dot = Face(Box(50, 50, 0, 0), 0.5, ((50.0, 50.0),) * 5)
    flow.remember(here, [dot])
    assert flow.follow(here, [dot]) is None


def test_every_third_frame_is_searched_and_the_faces_between_are_where_they_are() -> None:
    detector = HeadDetector()
    follower = Follower(detector, 3)
    for step in range(12):
        found = follower(scene((HEAD, 200 + 5 * step, 150), (OTHER, 420, 300 - 4 * step)))
        assert len(found) == 2
        assert math.dist(found[0].box.centre, (248 + 5 * step, 198)) < 1.5
        assert math.dist(found[1].box.centre, (468, 348 - 4 * step)) < 1.5
    assert detector.searches == 4


def test_every_frame_means_every_frame() -> None:
    detector = HeadDetector()
    follower = Follower(detector, 1)
    for _ in range(5):
        assert len(follower(scene((HEAD, 200, 150)))) == 1
    assert detector.searches == 5


@pytest.mark.parametrize("beside", [(), ((OTHER, 420, 300),)])
@pytest.mark.parametrize("late", range(6))
def test_a_new_face_is_seen_at_most_two_frames_late(
    late: int, beside: tuple[tuple[np.ndarray, int, int], ...]
) -> None:
    follower = Follower(HeadDetector(), 3)
    seen = []
    for step in range(12):
        heads = ((HEAD, 200, 150), *beside) if step >= late else beside
        seen.append(len(follower(scene(*heads))) == len(heads))
    assert all(seen[:late]) and all(seen[late + 2 :])


def test_a_lost_face_is_searched_for_at_once() -> None:
    detector = HeadDetector()
    follower = Follower(detector, 100)
    follower(scene((HEAD, 200, 150)))
    follower(scene((HEAD, 203, 150)))
    assert detector.searches == 1
    (jumped,) = follower(scene((HEAD, 450, 300)))
    assert detector.searches == 2 and math.dist(jumped.box.centre, (498, 348)) < 1.5


def test_a_search_that_misses_a_face_is_repeated_once() -> None:
    detector = HeadDetector()
    follower = Follower(detector, 3)
    frame = scene((HEAD, 200, 150))
    for _ in range(3):
        follower(frame)
    detector.blind = True
    assert not follower(frame)
    detector.blind = False
    assert len(follower(frame)) == 1, "the very next frame"
    assert detector.searches == 3
    detector.blind = True
    for _ in range(2):
        follower(frame)
    before = detector.searches
    for _ in range(6):
        follower(frame)
    assert detector.searches - before <= 3, "who has left is not searched for in every frame"


def test_another_source_begins_with_a_search() -> None:
    detector = HeadDetector()
    follower = Follower(detector, 50)
    follower(scene((HEAD, 200, 150)))
    follower.restart()
    assert len(follower(scene((OTHER, 300, 150)))) == 1
    assert detector.searches == 2
