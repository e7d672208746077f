"""Extra inputs: what schema 2 says of them, where the parts of a face lie, and that the network is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge
from edge import bundle as bundles
from edge.align import align
from edge.bundle_files import writer
from edge.bundle_files.sections import Extra
from edge.classify import absent, load_classifier
from edge.detect import DetectorOptions
from edge.engine import EngineOptions
from edge.errors import BundleInvalid, ModelMismatch, UsageError
from edge.extras import regions
from edge.extras.extra import Context, Surroundings
from edge.landmarks import Landmarker
from edge.results import Box, Face

onnx = pytest.importorskip("onnx", reason="the tiny two-input model is made with onnx")
pytest.importorskip("onnxruntime", reason="and run with ONNX Runtime")
GRID = 6
SHAPE = [6, GRID, GRID]
EXTRA = {"name": "regions", "source": "regions", "shape": SHAPE, "absent": [0.5]}


def write_model(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: Any) -> None:
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = onnx.helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path)


def tensor(name: str, *shape: Any) -> Any:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", *shape])


@pytest.fixture
def told(make_bundle: Callable[..., Path]) -> Path:
    """A bundle whose logits are the sums of the six masks and of the picture."""
    folder = make_bundle(lambda table: None, "told")
    nodes = [
        onnx.helper.make_node("ReduceSum", ["regions", "axes"], ["sums"], keepdims=0),
        onnx.helper.make_node("ReduceSum", ["faces", "all"], ["light"], keepdims=0),
        onnx.helper.make_node("Concat", ["sums", "light"], ["logits"], axis=1),
    ]
    weights = {"axes": np.array([2, 3], np.int64), "all": np.array([2, 3], np.int64)}
    inputs = [tensor("faces", 1, 8, 8), tensor("regions", *SHAPE)]
    write_model(folder / "tiny.onnx", nodes, inputs, [tensor("logits", 7)], weights)
    digest = hashlib.sha256((folder / "tiny.onnx").read_bytes()).hexdigest()
    table = json.loads((folder / "bundle.json").read_text())
    files = {"onnx": {"parts": {"tiny.onnx": digest}, "precision": "fp32"}}
    table.update(schema=2, extras=[EXTRA], files=files, temperature=1.0)
    (folder / "bundle.json").write_text(json.dumps(table))
    return folder


@pytest.fixture
def landmarks(make_bundle: Callable[..., Path]) -> Path:
    """A bundle of kind landmarks that sees every point in the middle, and half of each."""
    folder = make_bundle(lambda table: None, "landmarks")
    nodes = [
        onnx.helper.make_node("Flatten", ["faces"], ["flat"]),
        onnx.helper.make_node("Gemm", ["flat", "zero", "middle"], ["points"]),
        onnx.helper.make_node("Gemm", ["flat", "nothing", "half"], ["visible"]),
    ]
    weights = {
        "zero": np.zeros((64, 136), np.float32),
        "middle": np.full(136, 0.5, np.float32),
        "nothing": np.zeros((64, 68), np.float32),
        "half": np.full(68, 0.5, np.float32),
    }
    outputs = [tensor("points", 136), tensor("visible", 68)]
    write_model(folder / "tiny.onnx", nodes, [tensor("faces", 1, 8, 8)], outputs, weights)
    digest = hashlib.sha256((folder / "tiny.onnx").read_bytes()).hexdigest()
    table = json.loads((folder / "bundle.json").read_text())
    files = {"onnx": {"parts": {"tiny.onnx": digest}, "precision": "fp32"}}
    table.update(schema=2, kind="landmarks", labels=[], files=files)
    (folder / "bundle.json").write_text(json.dumps(table))
    return folder


def read(bundle: Path, frame: Any, data: Path, **options: Any) -> Any:
    found = DetectorOptions(model=data / "tiny_yunet.onnx")
    with edge.open_pipeline(bundle, "onnx", "yunet", detector_options=found, **options) as pipeline:
        return pipeline(frame)[0]


def test_a_network_with_an_extra_is_told_where_the_parts_are(
    told: Path, landmarks: Path, bright_square: Any, data: Path
) -> None:
    loaded = bundles.load(told)
    crops = [np.full((8, 8), 100, np.uint8)] * 3
    classify = load_classifier(loaded, "onnx", EngineOptions())
    masks = np.random.default_rng(1).random((3, *SHAPE), np.float32)
    np.testing.assert_allclose(classify.logits(crops, [masks])[:, :6], masks.sum((2, 3)), rtol=1e-5)
    np.testing.assert_allclose(classify.logits(crops)[:, :6], 0.5 * GRID * GRID)
    classify.close()
    reading = read(told, bright_square, data, landmarks=landmarks)
    assert not [doubt for doubt in reading.doubts if "landmarks" in doubt]
    middle = regions.masks(np.full((1, 68, 2), 0.5), np.full((1, 68), 0.5), GRID).sum((2, 3))
    weights = np.array(list(reading.weights.values()))
    np.testing.assert_allclose(weights[:6] / weights[0], np.exp(middle[0] - middle[0, 0]), rtol=1e-3)


@pytest.mark.parametrize("marked", [True, False])
def test_landmarks_found_in_a_crop_of_another_rule_are_brought_to_where_they_lie(
    told: Path, landmarks: Path, marked: bool
) -> None:
    path, aside = landmarks / "bundle.json", 0.125
    ours, table = bundles.load(told), json.loads(path.read_text())
    crop = table["crop"]
    # A face lies further right in their crop, so that what they see in its middle is left in ours.
    crop["landmarks"] = [[x + aside, y] for x, y in crop["landmarks"]]
    crop["box_shift"] = [crop["box_shift"][0] - aside * crop["box_scale"], crop["box_shift"][1]]
    path.write_text(json.dumps(table))
    points = tuple((100 + 80 * x, 50 + 80 * y) for x, y in ours.crop.landmarks)
    face = Face(Box(100, 50, 180, 130), 1.0, points if marked else None)
    frame = np.full((300, 300, 3), 90, np.uint8)
    crops = [align(frame, face, ours.crop, ours.input)]
    wanted = Extra("regions", "regions", (6, GRID, GRID), (0.5,))
    source = regions.Regions(wanted, Surroundings(ours, "onnx", EngineOptions(), landmarks))
    found = source(Context(frame, [face], crops))
    source.close()
    there = np.tile(np.array([0.5 - aside, 0.5]), (1, 68, 1))
    assert found is not None
    np.testing.assert_allclose(found, regions.masks(there, np.full((1, 68), 0.5), GRID), atol=1e-4)


def test_without_landmarks_it_takes_what_it_learnt_for_absent_and_says_so(
    told: Path, bright_square: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "SHIPPED", told.parent / "nothing")
    reading = read(told, bright_square, data)
    assert "no landmarks bundle: parts of the face are guessed" in reading.doubts
    assert reading.label == "uncertain"


def test_what_is_absent_is_one_number_or_one_for_each_place() -> None:
    one = absent(Extra("a", "regions", (2, 3), (0.5,)), 4)
    assert one.shape == (4, 2, 3) and (one == 0.5).all()
    each = absent(Extra("a", "regions", (2, 3), (0, 1, 2, 3, 4, 5)), 2)
    assert each[1].tolist() == [[0, 1, 2], [3, 4, 5]]


WRONG = {
    "source": (EXTRA | {"source": "radar"}, "'source' is 'radar', and must be one of regions"),
    "shape": (EXTRA | {"shape": [6, 0, 6]}, "'shape'"),
    "absent": (EXTRA | {"absent": [1, 2]}, "'absent' is .*, and must be one number, or 216"),
    "key": (EXTRA | {"colour": "red"}, "unknown key 'colour'; valid keys: name, source, shape, absent"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_extra_that_cannot_be_is_refused(make_bundle: Callable[..., Path], case: str) -> None:
    extra, message = WRONG[case]
    with pytest.raises(BundleInvalid, match=message):
        bundles.load(make_bundle(lambda table: table.update(schema=2, extras=[extra])))


def test_what_schema_1_does_not_know_it_cannot_say(make_bundle: Callable[..., Path]) -> None:
    with pytest.raises(BundleInvalid, match="'extras' needs schema 2, and this is schema 1"):
        bundles.load(make_bundle(lambda table: table.update(extras=[EXTRA])))
    loaded = bundles.load(make_bundle(name="old"))
    assert loaded.schema == 1 and loaded.kind == "expression" and loaded.extras == ()
    assert b'"kind"' not in writer.manifest(loaded) and b'"prepare"' not in writer.manifest(loaded)


def test_schema_2_is_written_as_it_is_read(told: Path, landmarks: Path) -> None:
    for folder in (told, landmarks):
        loaded = bundles.load(folder)
        table = json.loads(writer.manifest(loaded))
        assert table["schema"] == 2
        assert table["kind"] == loaded.kind and len(table["extras"]) == len(loaded.extras)


def test_a_landmarks_bundle_reads_no_expressions_and_the_other_way_round(told: Path, landmarks: Path) -> None:
    with pytest.raises(UsageError, match="is of kind landmarks and reads no expressions: give one that does"):
        edge.open_pipeline(landmarks, "onnx")
    with pytest.raises(UsageError, match="is of kind expression and gives no landmarks: give one that does"):
        Landmarker(bundles.load(told), "onnx", EngineOptions())


def test_a_model_without_the_extra_that_was_promised_is_refused(
    make_bundle: Callable[..., Path],
) -> None:
    loaded = bundles.load(make_bundle(lambda table: table.update(schema=2, extras=[EXTRA])))
    with pytest.raises(ModelMismatch, match="has 1 inputs and 1 outputs, and must have 2 and one"):
        load_classifier(loaded, "onnx", EngineOptions())


def test_a_mask_is_largest_where_its_part_is_by_as_much_as_it_is_seen() -> None:
    points = np.full((2, 68, 2), 0.5)
    points[:, 48:68] = (0.25, 0.75)
    visible = np.ones((2, 68))
    visible[1, 48:68] = 0.3
    made = regions.masks(points, visible, GRID)
    assert made.shape == (2, 6, GRID, GRID) and made.dtype == np.float32
    assert np.unravel_index(made[0, 5].argmax(), (GRID, GRID)) == (4, 1)
    np.testing.assert_allclose(made.max((2, 3))[0], 1)
    np.testing.assert_allclose(made.max((2, 3))[1, 5], 0.3, rtol=1e-6)


def test_the_fixed_masks_lie_where_the_crop_rule_puts_a_face() -> None:
    made = regions.fixed_masks(((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.75), (0.65, 0.75)), GRID)
    np.testing.assert_allclose(made.max((1, 2)), 1)
    rows, columns = zip(*(np.unravel_index(mask.argmax(), mask.shape) for mask in made), strict=True)
    assert columns[0] < columns[1] and columns[2] < columns[3]
    assert rows[0] <= rows[2] < rows[4] < rows[5]
