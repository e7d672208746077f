"""Crops to weights, and when a reading is in doubt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge import bundle as bundles
from edge import engine as engines
from edge.bundle_files.sections import DoubtRule, InputSpec, Scaling
from edge.classify import Classifier, load_classifier, softmax, to_input
from edge.doubt import doubts
from edge.engine import Array, EngineOptions, Tensor
from edge.errors import FerliteError, ModelMismatch, UsageError
from edge.results import Box, Face

GREY = InputSpec(8, "grey", (100.0,), (50.0,))
COLOUR = InputSpec(8, "rgb", (10.0, 20.0, 30.0), (1.0, 2.0, 4.0))


@given(hnp.arrays(np.float32, (4, 7), elements=st.floats(-80, 80, width=32)), st.floats(0.1, 10))
def test_weights_sum_to_one_and_keep_the_order(logits: np.ndarray, temperature: float) -> None:
    weights = softmax(logits, Scaling.of_temperature(temperature, 7))
    np.testing.assert_allclose(weights.sum(1), 1)
    assert (weights >= 0).all()
    rows = np.arange(4)
    np.testing.assert_allclose(weights[rows, logits.argmax(1)], weights.max(1))


def test_a_higher_temperature_is_less_sure() -> None:
    logits = np.array([[1.0, 3.0, 0.0]], np.float32)
    sure, less = (softmax(logits, Scaling.of_temperature(each, 3)).max() for each in (1.0, 2.0))
    assert less < sure


def test_input_is_normalised_per_channel() -> None:
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[:] = (11, 24, 38)
    batch = to_input([crop], COLOUR)
    assert batch.shape == (1, 3, 8, 8)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[0, :, 0, 0], [1, 2, 2])
    np.testing.assert_array_equal(to_input([crop], COLOUR, "NHWC")[0, 0, 0], [1, 2, 2])


def test_a_model_that_takes_bytes_gets_the_plain_levels() -> None:
    crop = np.arange(64, dtype=np.uint8).reshape(8, 8)
    batch = to_input([crop], GREY, "NHWC", "uint8")
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[0, :, :, 0], crop)


def test_crops_of_another_size_are_resized() -> None:
    crops = [np.full((side, side), 150, np.uint8) for side in (8, 20, 5)]
    batch = to_input(crops, GREY)
    assert batch.shape == (3, 1, 8, 8)
    np.testing.assert_array_equal(batch, 1.0)


def test_a_small_crop_is_enlarged_smoothly() -> None:
    slope = np.tile(np.arange(0, 200, 50, dtype=np.uint8), (4, 1))
    row = to_input([slope], GREY, dtype="uint8")[0, 0, 4]
    assert len(np.unique(row)) > 4  # repeated pixels would be four values


class FixedBatch:
    """A real engine behind a model of fixed batch size two: what an NPU's compiled blob is."""

    def __init__(self, inner: engines.Engine) -> None:
        self._inner = inner
        (image,), self.outputs = inner.inputs, inner.outputs
        self.inputs = (Tensor(image.name, (2, *image.shape[1:]), image.dtype),)
        self.calls = 0

    def run(self, arrays: list[Array]) -> list[Array]:
        assert arrays[0].shape[0] == 2
        self.calls += 1
        return self._inner.run(arrays)

    def close(self) -> None:
        self._inner.close()


@pytest.mark.parametrize("name", ["onnx", "tflite", "openvino"])
def test_one_batch_and_a_fixed_batch_agree(make_bundle: Callable[..., Path], name: str) -> None:
    bundle = bundles.load(make_bundle())
    try:
        engine = engines.load(name, bundle.model(name), EngineOptions())
    except FerliteError as error:
        pytest.skip(str(error))
    layout = bundle.files[name].layout
    crops = list(np.random.default_rng(0).integers(0, 256, (5, 8, 8)).astype(np.uint8))
    whole = Classifier(bundle, engine, layout)(crops)
    assert whole.shape == (5, 7)
    np.testing.assert_allclose(whole.sum(1), 1)
    fixed = FixedBatch(engine)
    np.testing.assert_allclose(Classifier(bundle, fixed, layout)(crops), whole, atol=1e-5)
    assert fixed.calls == 3
    assert Classifier(bundle, engine, layout)([]).shape == (0, 7)
    engine.close()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t["input"].update(size=48), "was promised"),
        (lambda t: t["input"].update(colour="rgb", mean=[0, 0, 0], std=[1, 1, 1]), "was promised"),
        (lambda t: t.update(labels=["a", "b"]), "there are 2 labels"),
        (lambda t: t["files"]["onnx"].update(layout="NHWC"), "was promised"),
    ],
)
def test_a_model_that_does_not_fit_its_bundle(
    make_bundle: Callable[..., Path], change: Callable[[dict], object], sentence: str
) -> None:
    bundle = bundles.load(make_bundle(change))
    try:
        engine = engines.load("onnx", bundle.model("onnx"), EngineOptions())
    except engines.EngineMissing as error:
        pytest.skip(str(error))
    with pytest.raises(ModelMismatch, match=sentence):
        Classifier(bundle, engine, bundle.files["onnx"].layout)


def test_every_doubt_is_told_with_its_value() -> None:
    rule = DoubtRule(face_px=24, sharpness=0.3, turn=0.35, weight=0.4)
    points = ((0.0, 0.0), (10.0, 0.0), (12.0, 5.0), (0.0, 10.0), (10.0, 10.0))
    found = doubts(Face(Box(0, 0, 18, 30), landmarks=points), 0.0, 0.31, rule)
    assert list(found.values()) == [
        "face too small (18 px)",
        "blurred (0.00)",
        "turned (0.70)",
        "low weight (0.31)",
    ]
    assert not doubts(Face(Box(0, 0, 24, 30)), 0.3, 0.4, rule)
    assert not doubts(Face(Box(0, 0, 1, 1), landmarks=points), 0.0, 0.0, DoubtRule())


def test_a_doubt_that_stands_is_dropped_only_when_its_bound_is_clearly_kept() -> None:
    rule = DoubtRule(face_px=24, sharpness=0.3, turn=0.35, weight=0.4)
    face = Face(Box(0, 0, 25, 25))
    assert not doubts(face, 0.31, 0.41, rule)
    assert set(doubts(face, 0.31, 0.41, rule, {"face", "sharpness", "weight"})) == {
        "face",
        "sharpness",
        "weight",
    }
    assert not doubts(Face(Box(0, 0, 27, 27)), 0.34, 0.45, rule, {"face", "sharpness", "weight"})


def test_each_engine_has_its_own_scalings_and_the_bundles_temperature_where_it_has_none(
    make_bundle: Callable[..., Path],
) -> None:
    crops = list(np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype(np.uint8))

    def classify(name: str, chosen: str, scalings: dict[str, object], annotators: str = "") -> np.ndarray:
        def change(table: dict[str, Any]) -> None:
            table["files"]["onnx"]["scalings"] = scalings
            table["annotators"] = chosen

        bundle = bundles.load(make_bundle(change, name))
        try:
            classifier = load_classifier(bundle, "onnx", EngineOptions(), annotators)
        except engines.EngineMissing as error:
            pytest.skip(str(error))
        weights = classifier(crops)
        classifier.close()
        return weights

    usual = classify("usual", "", {})
    few = {"scale": [1 / 20] * 7, "bias": [0] * 7}
    np.testing.assert_array_equal(usual, classify("same", "few", {"few": few}))
    # A third of the scale is the cube root of the weights; a bias is a factor.
    many = {"scale": [1 / 60] * 7, "bias": [1] + [0] * 6}
    flatter = classify("flatter", "many", {"few": few, "many": many})
    np.testing.assert_array_equal(flatter, classify("asked", "few", {"few": few, "many": many}, "many"))
    with pytest.raises(
        UsageError, match="made before priors were kept apart from what a face shows: it has few, many"
    ):
        classify("missing", "few", {"few": few, "many": many}, "all")
    with pytest.raises(UsageError, match="it has none to choose from"):
        classify("none", "", {}, "few")
    roots = np.cbrt(usual) * [np.e, 1, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(flatter, roots / roots.sum(1, keepdims=True), rtol=1e-6)
