"""Photographs that move for a moment: when, how far, the same at every frame rate, and still where nothing
happens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.moments.motion import FaceMotion
from tests.train.synth.plain_face import landmarks
from train.synth.families import load_heads
from train.synth.moments import FAR, LONG, REACH, SHORT, Film, five_of, shoot

ICT = Path(__file__).parents[4] / "shared" / "data" / "ict_face.npz"


@pytest.fixture(scope="module")
def film() -> Film:
    if not ICT.is_file():
        pytest.skip("ict_face.npz is not beside the project")
    rng = np.random.default_rng(0)
    photo = cv2.GaussianBlur(rng.integers(0, 255, (96, 96)).astype(np.uint8), (5, 5), 0)
    return shoot(photo, landmarks(), load_heads(ICT).head(0), 3, 12.0, 0)


def test_what_happens_is_as_long_and_as_far_as_was_drawn(film: Film) -> None:
    kinds = {each.kind for each in film.happenings}
    assert "micro" in kinds and kinds <= {"micro", "macro", "blink", "talk"}
    for each in film.happenings:
        seconds = each.curve.end - each.curve.start
        if each.kind in ("micro", "macro"):
            lengths, reaches = (SHORT, REACH) if each.kind == "micro" else (LONG, FAR)
            assert lengths[0] <= seconds <= lengths[1] and reaches[0] <= each.reach <= reaches[1]
            farthest = np.linalg.norm(each.curve.at(each.apex) * each.field, axis=2).max() / film.eyes
            assert farthest == pytest.approx(each.reach, rel=0.35)


def test_the_same_moment_looks_alike_at_every_frame_rate(film: Film) -> None:
    calm = replace(film, noise=0.0, jitter=0.0, seconds=1.0)
    slow, fast = (list(calm.frames(rate)) for rate in (25, 50))
    assert len(slow) == 25 and len(fast) == 50
    for (time, picture, face), (other, same, at) in zip(slow, fast[::2], strict=True):
        assert time == other and face == at
        np.testing.assert_array_equal(picture, same)


def test_landmarks_go_with_the_head_and_nothing_moves_where_nothing_happens(film: Film) -> None:
    still = replace(film, happenings=(), noise=0.0, jitter=0.0, seconds=1.2)
    measure = FaceMotion()
    for _, picture, face in still.frames(25):
        parts = measure(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), face).parts
        assert np.abs(parts).max() < 0.02
    assert five_of(landmarks()).shape == (5, 2)
