"""Displacement fields: points go where they are sent, the frame stays, and a mesh's units move a
photograph."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import DataInvalid
from tests.train.synth.plain_face import landmarks
from train.synth import warp
from train.synth.families import load_heads

ICT = Path(__file__).parents[4] / "shared" / "data" / "ict_face.npz"
MARKS = landmarks()


def test_points_arrive_where_they_are_sent_and_the_frame_stays() -> None:
    moved = MARKS + np.random.default_rng(1).normal(0, 0.8, MARKS.shape)
    field = warp.field_of(MARKS, moved, 96, 96)
    x, y = np.rint(moved).astype(int).T
    inside = (x > 1) & (x < 94) & (y > 1) & (y < 94)
    off = field[y[inside], x[inside]] - (moved - MARKS)[inside]
    assert np.median(np.abs(off)) < 0.15
    assert np.abs(field[[0, -1]]).max() < 0.3 and np.abs(field[:, [0, -1]]).max() < 0.3


def test_nothing_moves_where_nothing_is_asked() -> None:
    field = warp.field_of(MARKS, MARKS, 96, 96)
    np.testing.assert_allclose(field, 0, atol=1e-6)
    picture = np.random.default_rng(2).integers(0, 256, (96, 96), np.uint8)
    np.testing.assert_array_equal(warp.warp(picture, field), picture)


def test_a_spot_goes_along_with_its_point_and_half_the_strength_is_half_the_way() -> None:
    sent = MARKS.copy()
    mouth = slice(48, 68)
    sent[mouth] += (0, 2)
    field = warp.field_of(MARKS, sent, 96, 96)
    picture = np.zeros((96, 96), np.uint8)
    at = MARKS[51]
    cv2.circle(picture, (round(float(at[0])), round(float(at[1]))), 3, 255, -1)

    def middle(strength: float) -> float:
        shown = warp.warp(picture, field, strength).astype(float)
        return float((shown.sum(1) * np.arange(96)).sum() / shown.sum())

    whole, half = middle(1) - middle(0), middle(0.5) - middle(0)
    # The chin below stays, so what lies between is pressed together and goes a little less far.
    assert 1.4 < whole < 2.2
    assert half == pytest.approx(whole / 2, rel=0.15)


def test_units_of_a_head_move_the_landmarks_of_a_photograph() -> None:
    if not ICT.is_file():
        pytest.skip("ict_face.npz is not beside the project")
    head = load_heads(ICT).head(2)
    sent = warp.action_points(head, {"mouthSmile_L": 1.0, "mouthSmile_R": 1.0}, MARKS) - MARKS
    # Corners of the mouth go up and outwards, brows stay.
    assert sent[48, 1] < -1 and sent[54, 1] < -1 and sent[48, 0] < 0 < sent[54, 0]
    assert np.abs(sent[17:27]).max() < 0.3
    np.testing.assert_allclose(warp.action_points(head, {}, MARKS), MARKS)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataInvalid, match="cannot move a picture"):
        warp.warp(np.zeros((8, 8), np.uint8), np.zeros((9, 8, 2), np.float32))
    with pytest.raises(DataInvalid, match="cannot be moved"):
        warp.field_of(MARKS, MARKS[:5], 96, 96)
    with pytest.raises(DataInvalid, match="cannot be moved"):
        warp.field_of(MARKS, MARKS * np.nan, 96, 96)
