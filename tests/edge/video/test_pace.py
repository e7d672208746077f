"""Which faces are read anew: those that changed, and in turns those that were read long ago."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from edge.bundle_files.sections import CropRule
from edge.results import Box, Face
from edge.track import Read, Track
from edge.video.flow import Look, look
from edge.video.pace import CHANGED, LEAST_CHANGED, Turns, bound_of
from edge.video.portrait import Portrait, picture
from edge.video.steady import Steady

RULE = CropRule(
    landmarks=((0.32, 0.38), (0.68, 0.38), (0.5, 0.59), (0.35, 0.74), (0.65, 0.74)),
    box_scale=1.0,
    box_shift=(0, 0),
    size=48,
)


def drawn(mouth: float = 0.0, shift: tuple[float, float] = (0, 0), zoom: float = 1.0) -> np.ndarray:
    """A face of 120 pixels drawn in a frame of 240 x 240; ``mouth`` bends its corners up, in pixels."""
    big = np.full((960, 960, 3), 90, np.uint8)
    centre, size = (480, 480), 240
    cv2.ellipse(big, centre, (int(0.85 * size), size), 0, 0, 360, (190, 190, 190), -1)
    for side in (-1, 1):
        cv2.circle(big, (480 + side * 87, 420), 26, (60, 60, 60), -1)
        cv2.ellipse(big, (480 + side * 87, 372), (50, 16), 0, 180, 360, (80, 80, 80), 12)
    cv2.line(big, (480, 430), (470, 522), (140, 140, 140), 14)
    points = [(480 + int(72 * u), int(595 - 4 * mouth * u * u)) for u in np.linspace(-1, 1, 21)]
    cv2.polylines(big, [np.array(points, np.int32)], False, (70, 60, 60), 18)
    matrix = np.array(
        [[zoom, 0, 480 * (1 - zoom) + 4 * shift[0]], [0, zoom, 480 * (1 - zoom) + 4 * shift[1]]]
    )
    big = cv2.GaussianBlur(big, (0, 0), 8)  # of a lens: two pixels of the frame
    moved = cv2.warpAffine(big, matrix, (960, 960), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(moved, (240, 240), interpolation=cv2.INTER_AREA), np.uint8)


def seen(frame: np.ndarray) -> Look:
    return look(frame, 2)


FACE = Face(
    Box(60, 60, 120, 120),
    0.9,
    ((98.4, 105.6), (141.6, 105.6), (120.0, 130.8), (102.0, 148.8), (138.0, 148.8)),
)


def pictured(frame: np.ndarray) -> np.ndarray:
    return picture(seen(frame), FACE, RULE)


def noisy(frame: np.ndarray, gain: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 4, frame.shape)
    return (frame * gain + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("gain", [0.7, 1.0, 1.25])
@pytest.mark.parametrize("shift", [(0, 0), (1.2, -1), (-1, 1.2)])
@pytest.mark.parametrize("zoom", [0.98, 1.0, 1.02])
def test_light_noise_and_a_slightly_other_crop_are_no_change(
    gain: float, shift: tuple[float, float], zoom: float
) -> None:
    before = Portrait(pictured(noisy(drawn(), 1.0, 1)))
    assert before.change(pictured(noisy(drawn(shift=shift, zoom=zoom), gain, 2))) < LEAST_CHANGED


def test_a_mouth_that_bends_is_a_change_and_the_more_the_larger() -> None:
    before = Portrait(pictured(noisy(drawn(), 1.0, 1)))
    changes = [before.change(pictured(noisy(drawn(mouth), 1.1, 2))) for mouth in (0, 4, 8, 12)]
    assert changes == sorted(changes)
    assert changes[0] < LEAST_CHANGED and changes[-1] > CHANGED


def test_another_face_is_a_change_and_a_blank_one_no_accident() -> None:
    before = Portrait(pictured(drawn()))
    assert before.change(pictured(cv2.flip(drawn(), 0))) > CHANGED
    blank = np.zeros((16, 16), np.float32)
    assert Portrait(blank).change(blank) == 0
    assert np.isfinite(Portrait(blank).change(pictured(drawn())))


def tracks(count: int, steady: float = 0.4) -> list[Track]:
    return [Track(number, Box(0, 0, 50, 50), 0.0, Steady(steady)) for number in range(count)]


def play(turns: Turns, people: list[Track], frames: int, rate: float = 25) -> list[list[int]]:
    """What is read in each frame of a video in which nothing changes."""
    same = pictured(drawn())
    reads = []
    for frame in range(frames):
        due = turns.due(people, [same] * len(people), frame / rate)
        for index in due:
            people[index].read = Read(frame / rate, Portrait(same), 1.0, CHANGED)
        reads.append(due)
    return reads


def test_a_new_face_is_read_at_once_and_then_before_its_reading_is_too_old() -> None:
    reads = play(Turns(pace=0.5), tracks(1), 100)
    when = [frame for frame, due in enumerate(reads) if due]
    assert when[0] == 0
    assert max(b - a for a, b in itertools.pairwise(when)) <= 13
    assert len(when) <= 10


def test_faces_that_came_together_are_read_in_turns_later() -> None:
    reads = play(Turns(pace=0.5), tracks(6), 200)
    assert reads[0] == list(range(6))
    assert max(map(len, reads[25:])) <= 2
    for person in range(6):
        when = [frame for frame, due in enumerate(reads) if person in due]
        assert max(b - a for a, b in itertools.pairwise(when)) <= 13, "0.5 s at 25 a second"
    assert sum(map(len, reads)) <= 6 * (2 + 200 / 25 / 0.5)


def test_pace_0_reads_every_face_of_every_frame() -> None:
    assert play(Turns(pace=0), tracks(3), 5) == [[0, 1, 2]] * 5


def test_a_changed_face_is_read_in_the_same_frame_and_an_unsure_one_in_the_next() -> None:
    people, turns = tracks(2), Turns(pace=5.0)
    play(turns, people, 3)
    smiling = pictured(drawn(12))
    same = pictured(drawn())
    assert turns.due(people, [same, smiling], 0.12) == [1]
    people[0].steady.take([0.9, 0.1], 0.0)
    people[0].steady.take([0.1, 0.9], 0.1)
    assert turns.due(people, [same, same], 0.16) == [0]


def test_a_clock_that_is_set_back_reads_anew() -> None:
    people, turns = tracks(1), Turns(pace=0.5)
    play(turns, people, 10)
    assert turns.due(people, [pictured(drawn())], -50.0) == [0]


def test_a_sure_reading_bears_more_change() -> None:
    assert bound_of([0.98, 0.01, 0.01]) == pytest.approx(0.97 * CHANGED)
    assert bound_of([0.4, 0.35, 0.25]) == LEAST_CHANGED
