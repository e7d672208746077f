from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest

from edge.align import crop_matrix
from edge.errors import DataInvalid
from edge.results import Box, Face
from train import crops

# Two eyes, a nose, two corners of the mouth: as fractions of the crop.
PLACES = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.375, 0.8), (0.625, 0.8))


def dotted(count: int, seed: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    faces = np.zeros((count, 48, 48), np.uint8)
    for face in faces:
        jitter = rng.uniform(-1.2, 1.2, 2)
        for x, y in PLACES:
            centre = (round((x * 48 - 0.5 + jitter[0]) * 16), round((y * 48 - 0.5 + jitter[1]) * 16))
            cv2.circle(face, centre, 24, 255, -1, cv2.LINE_AA, 4)
    return faces


class DotDetector:
    """A real, if simple, detector: the middles of five bright spots, and the box around them."""

    def __call__(self, frame: np.ndarray[Any, Any]) -> list[Face]:
        count, _, _, centres = cv2.connectedComponentsWithStats((frame[:, :, 0] > 128).astype(np.uint8))
        if count != 6:
            return []
        points = sorted(((float(x) + 0.5, float(y) + 0.5) for x, y in centres[1:]), key=lambda p: p[1])
        eyes, nose, mouth = sorted(points[:2]), points[2], sorted(points[3:])
        left, right = eyes[0][0], eyes[1][0]
        top, bottom = eyes[0][1], mouth[0][1]
        return [Face(Box(left, top, right - left, bottom - top), 1.0, (*eyes, nose, *mouth))]

    def close(self) -> None: ...


def test_landmarks_and_boxes_are_found_where_they_were_drawn() -> None:
    measured = crops.measure(dotted(40, 1), "dots", DotDetector(), DotDetector())
    np.testing.assert_allclose(measured.rule.landmarks, PLACES, atol=0.02)
    assert measured.rule.box_scale == pytest.approx(1 / 0.4, rel=0.05)
    # The box's middle lies at (0.5, 0.6): the crop's is 0.1 / 0.4 box sides above it.
    assert measured.rule.box_shift == pytest.approx((0, -0.25), abs=0.05)
    assert (measured.looked_at, measured.found_landmarks, measured.found_boxes) == (40, 40, 40)
    assert json.loads(json.dumps(crops.as_json(measured)))["rule"]["box_scale"] == measured.rule.box_scale


def test_landmarks_come_out_symmetric() -> None:
    lopsided = np.roll(dotted(40, 2), 3, axis=2)
    points = crops.measure(lopsided, "dots", DotDetector(), DotDetector()).rule.landmarks
    assert points[0][0] + points[1][0] == pytest.approx(1, abs=0.002)
    assert points[3][0] + points[4][0] == pytest.approx(1, abs=0.002)
    assert points[2][0] == 0.5


def test_too_few_faces_found_is_told() -> None:
    with pytest.raises(DataInvalid, match="landmarks found on 0 faces and boxes on 0 of 40"):
        crops.measure(np.zeros((40, 48, 48), np.uint8), "blank", DotDetector(), DotDetector())


def test_the_recorded_rule_cuts_a_fer2013_face_as_it_is() -> None:
    rule = crops.rule_for("fer2013")
    landmarks = tuple((x * 48, y * 48) for x, y in rule.landmarks)
    face = Face(Box(0, 0, 48, 48), None, landmarks)  # type: ignore[arg-type]
    np.testing.assert_allclose(crop_matrix(face, rule, 48), [[1, 0, 0], [0, 1, 0]], atol=1e-9)
    assert 0.9 < rule.box_scale < 1.2


def test_a_rule_never_measured_is_refused() -> None:
    with pytest.raises(DataInvalid, match="'faces' are cut was never measured: known are fer2013"):
        crops.rule_for("faces")
