"""How much blur a network bears, and how a data set's faces are framed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge import bundle as bundles
from edge import engine as engines
from edge.bundle_files.sections import CropRule, DoubtRule
from edge.classify import Classifier
from edge.engine import EngineOptions
from edge.errors import DataInvalid
from faces.crop_rule import FER2013, _crop, blur_bound
from faces.face_set import FaceSet


@pytest.fixture
def classifier(make_bundle: Callable[..., Path]) -> Classifier:
    bundle = bundles.load(make_bundle())
    return Classifier(bundle, engines.load("onnx", bundle.model("onnx"), EngineOptions(threads=1)), "NCHW")


def face_set(faces: np.ndarray, labels: np.ndarray) -> FaceSet:
    return FaceSet("made", faces, labels, np.zeros((len(faces), 7), np.float32), labels)


def test_the_bound_lies_where_a_tenth_is_lost(classifier: Classifier) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (300, 8, 8)).astype(np.uint8)
    answers = classifier(list(faces)).argmax(1)
    bound, curve = blur_bound(face_set(faces, answers), classifier)
    assert curve[0]["accuracy"] == 1.0
    kept = [point["sharpness"] for point in curve if point["accuracy"] >= 0.9]
    lost = [point["sharpness"] for point in curve if point["accuracy"] < 0.9]
    assert lost[0] <= bound <= kept[-1]
    # Blur far wider than these 8-pixel faces leaves a plain slope, whose ratio means nothing.
    sharpness = [point["sharpness"] for point in curve if point["sigma"] <= 1]
    assert sharpness == sorted(sharpness, reverse=True)


def test_a_network_that_blur_does_not_harm_is_refused(classifier: Classifier) -> None:
    even = np.repeat(np.arange(0, 250, 10, dtype=np.uint8), 64).reshape(-1, 8, 8)
    answers = classifier(list(even)).argmax(1)
    with pytest.raises(DataInvalid, match="does not lower the accuracy"):
        blur_bound(face_set(even, answers), classifier)


def test_the_template_is_symmetric_and_the_box_inverted() -> None:
    points = np.array([[0.30, 0.40], [0.68, 0.42], [0.49, 0.60], [0.36, 0.75], [0.66, 0.77]])
    rule = _crop(points, np.array([[0.1, 0.05], [0.9, 0.85]]))
    (right_x, right_y), (left_x, left_y), nose, right_mouth, left_mouth = rule["landmarks"]
    assert right_x + left_x == pytest.approx(1)
    assert right_y == left_y == pytest.approx(0.41)
    assert nose == [0.5, 0.6]
    assert right_mouth[0] + left_mouth[0] == pytest.approx(1)
    assert rule["box_scale"] == pytest.approx(1.25)
    # The box's middle lay 0.05 of the picture above the picture's: the crop's middle lies below the box's.
    assert rule["box_shift"] == [0.0, pytest.approx(0.05 / 0.8, abs=1e-3)]


def test_the_record_that_ships_makes_a_bundle() -> None:
    record = json.loads(FER2013.read_text())
    rule = CropRule(
        tuple(map(tuple, record["crop"]["landmarks"])),
        record["crop"]["box_scale"],
        tuple(record["crop"]["box_shift"]),
    )
    assert len(rule.landmarks) == 5
    assert DoubtRule(**record["doubt"]).sharpness > 0
