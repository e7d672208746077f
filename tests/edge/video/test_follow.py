"""Following faces between searches: known motion is recovered, and what cannot be followed is searched."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from edge.results import Box, Face, Landmarks
from edge.video.flow import Flow, Look, halvings_for, look
from edge.video.follow import Follower

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


def seen(frame: np.ndarray, *faces: Face) -> Look:
    return look(frame, halvings_for(faces))


class Video:
    """A follower's video of 25 frames a second."""

    def __init__(self, detector: HeadDetector, every: int) -> None:
        self.follower, self._frames = Follower(detector, every), 0

    def __call__(self, frame: np.ndarray) -> Sequence[Face]:
        self._frames += 1
        return self.follower(frame, self._frames / 25)[0]


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
    flow.remember(seen(before, start))
    (moved,) = flow.follow(seen(after, start), [start]) or [None]
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
    flow.remember(seen(scene((HEAD, 100, 100), (OTHER, 400, 200)), *faces))
    for step in range(1, 20):
        frame = scene((HEAD, 100 + 4 * step, 100 + 2 * step), (OTHER, 400 - 3 * step, 200))
        followed = flow.follow(seen(frame, *faces), faces)
        assert followed is not None
        faces = followed
    assert math.dist(faces[0].box.centre, (148 + 76, 148 + 38)) < 3
    assert math.dist(faces[1].box.centre, (448 - 57, 248)) < 3


def test_what_is_no_longer_there_is_not_followed() -> None:
    flow, start = Flow(), face(250, 180)
    here = scene((HEAD, 250, 180))
    now = seen(here, start)
    assert flow.follow(now, [start]) is None, "nothing was remembered"
    for other, reason in ((here[:400], "shape"), (255 - here, "scene"), (cv2.flip(here, 0), "scene")):
        flow.remember(now)
        assert flow.follow(seen(other, start), [start]) is None, f"another {reason}"
    flow.remember(now)
    assert flow.follow(look(here, now.halvings + 1), [start]) is None, "another size of look"
    gone = face(-60, 180)
    flow.remember(now)
    assert flow.follow(now, [gone]) is None, "beyond the frame's edge"


def test_a_face_without_extent_is_no_accident() -> None:
    here, flow = scene(), Flow()
    dot = Face(Box(50, 50, 0, 0), 0.5, ((50.0, 50.0),) * 5)
    flow.remember(seen(here, dot))
    assert flow.follow(seen(here, dot), [dot]) is None


def test_every_third_frame_is_searched_and_the_faces_between_are_where_they_are() -> None:
    detector = HeadDetector()
    follower = Video(detector, 3)
    for step in range(12):
        found = follower(scene((HEAD, 200 + 5 * step, 150), (OTHER, 420, 300 - 4 * step)))
        assert len(found) == 2
        assert math.dist(found[0].box.centre, (248 + 5 * step, 198)) < 1.5
        assert math.dist(found[1].box.centre, (468, 348 - 4 * step)) < 1.5
    assert detector.searches == 4


def test_every_frame_means_every_frame() -> None:
    detector = HeadDetector()
    follower = Video(detector, 1)
    for _ in range(5):
        assert len(follower(scene((HEAD, 200, 150)))) == 1
    assert detector.searches == 5


@pytest.mark.parametrize("beside", [(), ((OTHER, 420, 300),)])
@pytest.mark.parametrize("late", (1, 3, 5))
def test_a_new_face_is_seen_at_most_two_frames_late(
    late: int, beside: tuple[tuple[np.ndarray, int, int], ...]
) -> None:
    follower = Video(HeadDetector(), 3)
    seen = []
    for step in range(12):
        heads = ((HEAD, 200, 150), *beside) if step >= late else beside
        seen.append(len(follower(scene(*heads))) == len(heads))
    assert all(seen[:late]) and all(seen[late + 2 :])


def test_a_lost_face_is_searched_for_at_once() -> None:
    detector = HeadDetector()
    follower = Video(detector, 100)
    follower(scene((HEAD, 200, 150)))
    follower(scene((HEAD, 203, 150)))
    assert detector.searches == 1
    (jumped,) = follower(scene((HEAD, 450, 300)))
    assert detector.searches == 2 and math.dist(jumped.box.centre, (498, 348)) < 1.5


def test_a_search_that_misses_a_face_is_repeated_once() -> None:
    detector = HeadDetector()
    follower = Video(detector, 3)
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
    follower = Video(detector, 50)
    follower(scene((HEAD, 200, 150)))
    follower.follower.restart()
    assert len(follower(scene((OTHER, 300, 150)))) == 1
    assert detector.searches == 2


def test_a_still_picture_is_searched_now_and_then_only() -> None:
    detector = HeadDetector()
    follower = Video(detector, 0)
    noise = np.random.default_rng(1)
    for step in range(50):
        gain = 1 + 0.2 * math.sin(step / 8)
        frame = scene((HEAD, 200, 150)) * gain + noise.normal(0, 3, (480, 640, 3))
        assert len(follower(frame.clip(0, 255).astype(np.uint8))) == 1
    assert 5 <= detector.searches <= 7, "every 0.4 s of two seconds, whatever the light does"


def test_a_camera_that_pans_slowly_does_not_make_every_frame_new() -> None:
    detector = HeadDetector()
    follower = Video(detector, 0)
    for step in range(25):
        wide = cv2.cvtColor(WALL, cv2.COLOR_GRAY2BGR)
        wide[200:296, 300:396] = HEAD[..., None]
        assert len(follower(wide[:480, 2 * step : 2 * step + 640])) == 1
    assert detector.searches <= 5


@pytest.mark.parametrize("beside", [(), ((OTHER, 420, 300),)])
@pytest.mark.parametrize("late", (4, 9, 11))
def test_who_comes_into_a_still_picture_is_seen_within_a_tenth_of_a_second(
    late: int, beside: tuple[tuple[np.ndarray, int, int], ...]
) -> None:
    follower = Video(HeadDetector(), 0)
    counts = [
        len(follower(scene(*(((HEAD, 200, 150), *beside) if step >= late else beside)))) for step in range(25)
    ]
    assert counts[:late] == [len(beside)] * late
    assert counts[late + 2 :] == [len(beside) + 1] * (23 - late)


def test_a_clock_that_is_set_back_starts_a_search() -> None:
    detector = HeadDetector()
    follower = Follower(detector, 0)
    for time in (100.0, 100.04, 3.0, 3.04):
        follower(scene((HEAD, 200, 150)), time)
    assert detector.searches == 2


def test_when_frames_cannot_be_kept_up_with_less_is_searched() -> None:
    detector = HeadDetector()
    follower = Video(detector, 0)
    follower.follower.searches.stretch = 3.0
    for _ in range(50):
        follower(scene((HEAD, 200, 150)))
    assert 2 <= detector.searches <= 3


class ShakyDetector(HeadDetector):
    """Finds heads a few pixels off, otherwise at each search."""

    def __call__(self, frame: np.ndarray) -> Sequence[Face]:
        shift = 3 * (-1) ** self.searches
        return [
            Face(
                Box(each.box.x + shift, each.box.y, 96, 96),
                each.score,
                face(each.box.x + shift, each.box.y).landmarks,
            )
            for each in super().__call__(frame)
        ]


def test_what_a_search_finds_beside_a_followed_face_is_taken_half_way() -> None:
    follower = Video(ShakyDetector(), 2)
    lefts = [follower(scene((HEAD, 200, 150)))[0].box.x for _ in range(40)]
    assert max(abs(left - 200) for left in lefts[4:]) < 2.1
    assert follower(scene((HEAD, 260, 150)))[0].box.x > 250, "a face that truly moved is where it is found"
