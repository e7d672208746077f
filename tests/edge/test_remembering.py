"""What a network made of a face before: kept by track, evenly spaced in time, and forgotten."""

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
from edge.bundle_files.sections import Extra
from edge.classify import load_classifier
from edge.detect import DetectorOptions
from edge.engine import EngineOptions
from edge.errors import ModelMismatch
from edge.extras.extra import Context, Surroundings
from edge.extras.memory import APART_S, FORGET_S, Memory
from edge.extras.reference import Reference
from edge.track import Tracker
from tests.edge.test_extras import tensor, write_model

onnx = pytest.importorskip("onnx", reason="the tiny model with a memory is made with onnx")
pytest.importorskip("onnxruntime", reason="and run with ONNX Runtime")
MOMENTS, WIDTH = 4, 2
EXTRAS = [
    {"name": "memory", "source": "memory", "shape": [MOMENTS, WIDTH], "absent": [0]},
    {"name": "reference", "source": "reference", "shape": [WIDTH], "absent": [0]},
]


@pytest.fixture
def remembering(make_bundle: Callable[..., Path]) -> Path:
    """Its logits are the mean grey level, the sums of what it remembers and of what was calm; beside them it
    gives the level, and 1."""
    folder = make_bundle(lambda table: None, "remembering")
    node = onnx.helper.make_node
    nodes = [
        node("ReduceMean", ["faces", "picture"], ["level"], keepdims=0),
        node("ReduceSum", ["memory", "rows"], ["sums"], keepdims=0),
        node("Mul", ["level", "zero"], ["none"]),
        node("Add", ["none", "one"], ["there"]),
        node("Concat", ["level", "there"], ["feature"], axis=1),
        node("Concat", ["level", "sums", "reference", "level", "none"], ["logits"], axis=1),
    ]
    weights = {
        "picture": np.array([2, 3], np.int64),
        "rows": np.array([1], np.int64),
        "zero": np.zeros((1, 1), np.float32),
        "one": np.ones((1, 1), np.float32),
    }
    inputs = [tensor("faces", 1, 8, 8), tensor("memory", MOMENTS, WIDTH), tensor("reference", WIDTH)]
    outputs = [tensor("logits", 7), tensor("feature", WIDTH)]
    write_model(folder / "tiny.onnx", nodes, inputs, outputs, weights)
    digest = hashlib.sha256((folder / "tiny.onnx").read_bytes()).hexdigest()
    table = json.loads((folder / "bundle.json").read_text())
    files = {"onnx": {"parts": {"tiny.onnx": digest}, "precision": "fp32"}}
    table.update(schema=2, extras=EXTRAS, files=files, temperature=1.0)
    (folder / "bundle.json").write_text(json.dumps(table))
    return folder


def around(labels: tuple[str, ...] = ("anger", "neutral")) -> Surroundings:
    class Loaded:
        name = "made"

    loaded: Any = Loaded()
    loaded.labels = labels
    return Surroundings(loaded, "onnx", EngineOptions())


def at(time: float | None, *tracks: int) -> Context:
    return Context(np.zeros((2, 2, 3), np.uint8), (), (), tracks, time)


def memory() -> Memory:
    return Memory(Extra("memory", "memory", (MOMENTS, WIDTH), (0.0,)), around())


CALM = np.array([[0.1, 0.9]])


def take(source: Any, time: float, values: dict[int, float], weights: Any = None) -> None:
    rows = np.array([[value, 1] for value in values.values()], np.float32)
    shares = np.repeat(CALM if weights is None else weights, len(rows), 0)
    source.take(at(time, *values), rows, shares)


def test_moments_are_evenly_spaced_whatever_the_frame_rate() -> None:
    for rate in (12.5, 25.0, 50.0):
        source = memory()
        for frame in range(int(rate)):
            take(source, frame / rate, {1: frame / rate})
        rows = source(at(1.0, 1))
        assert rows is not None
        wanted = 1.0 - APART_S * np.arange(MOMENTS, 0, -1)
        assert (wanted - rows[0, :, 0] <= 1 / rate + 1e-6).all() and (rows[0, :, 0] <= wanted + 0.021).all()


def test_a_face_that_was_not_read_anew_looked_as_it_did() -> None:
    source = memory()
    take(source, 0.0, {1: 5.0})
    rows = source(at(2.0, 1))
    assert rows is not None and rows[0, :, 0].tolist() == [5.0] * MOMENTS


def test_before_a_face_came_there_is_nothing() -> None:
    source = memory()
    take(source, 1.0, {1: 5.0})
    rows = source(at(1.0 + 2 * APART_S, 1, 2))
    assert rows is not None
    assert rows[0].tolist() == [[0, 0], [0, 0], [5, 1], [5, 1]] and not rows[1].any()


def test_tracks_are_kept_apart_and_forgotten() -> None:
    source = memory()
    take(source, 0.0, {1: 1.0, 2: 2.0})
    rows = source(at(1.0, 2, 1))
    assert rows is not None and rows[:, 0, 0].tolist() == [2, 1]
    late = source(at(FORGET_S + 1, 1))
    assert late is not None and not late.any()
    take(source, 20.0, {3: 3.0})
    assert set(source._tracks) == {3}
    source.restart()
    again = source(at(20.1, 3))
    assert again is not None and not again.any()


def test_an_hour_of_frames_keeps_no_more_than_it_needs() -> None:
    source = memory()
    for frame in range(2000):
        take(source, frame / 50, {1: 1.0})
    assert len(source._tracks[1]) <= MOMENTS * APART_S * 50 + 2


def test_a_still_has_neither() -> None:
    source = memory()
    source.take(at(None), np.zeros((1, WIDTH), np.float32), CALM)
    assert source(at(None)) is None
    calm = Reference(Extra("reference", "reference", (WIDTH,), (0.0,)), around())
    assert calm(at(None)) is None


def test_the_reference_is_the_mean_of_what_was_surely_calm() -> None:
    source = Reference(Extra("reference", "reference", (WIDTH,), (0.0,)), around())
    take(source, 0.0, {1: 9.0}, np.array([[0.9, 0.1]]))
    nothing = source(at(0.1, 1))
    assert nothing is not None and not nothing.any()
    take(source, 0.2, {1: 2.0})
    take(source, 0.4, {1: 4.0})
    take(source, 0.6, {1: 9.0}, np.array([[0.9, 0.1]]))
    mean = source(at(0.8, 1, 2))
    assert mean is not None and mean.tolist() == [[3, 1], [0, 0]]


def test_a_reference_needs_a_word_for_calm() -> None:
    extra = Extra("reference", "reference", (WIDTH,), (0.0,))
    with pytest.raises(ModelMismatch, match="wants a reference, and has no label 'neutral' to know it by"):
        Reference(extra, around(("pain", "crying")))


def test_a_followed_face_is_remembered_and_a_still_is_not(
    remembering: Path, bright_square: Any, data: Path
) -> None:
    found = DetectorOptions(model=data / "tiny_yunet.onnx")

    def told(pipeline: Any) -> list[tuple[float, ...]]:
        """What the network was told, by frame: how many moments it remembers, how often calm was seen."""
        seen = []
        classify = pipeline._classifier.read

        def read(crops: Any, extras: Any) -> Any:
            seen.append(tuple(float("nan") if each is None else each[0, ..., -1].sum() for each in extras))
            return classify(crops, extras)

        pipeline._classifier.read = read
        for frame in range(5):
            pipeline(bright_square, frame * APART_S)
        pipeline.restart()
        pipeline(bright_square, 0.0)
        pipeline(bright_square)
        return seen

    options = {"detector_options": found, "tracker": Tracker(), "pace": 0}
    with edge.open_pipeline(remembering, "onnx", "yunet", **options) as pipeline:  # type: ignore[arg-type]
        seen = told(pipeline)
    assert [moments for moments, _ in seen[:6]] == [0, 1, 2, 3, 4, 0]
    assert np.isnan(seen[6]).all()


def test_a_network_that_gives_nothing_to_remember_is_refused(remembering: Path) -> None:
    table = json.loads((remembering / "bundle.json").read_text())
    table["extras"][0]["shape"] = [MOMENTS, WIDTH + 1]
    (remembering / "bundle.json").write_text(json.dumps(table))
    with pytest.raises(ModelMismatch, match=r"float32 \(4, 3\) a face was promised for 'memory'"):
        load_classifier(bundles.load(remembering), "onnx", EngineOptions())
    model = onnx.load(remembering / "tiny.onnx")
    del model.graph.output[1]
    onnx.save(model, remembering / "tiny.onnx")
    digest = hashlib.sha256((remembering / "tiny.onnx").read_bytes()).hexdigest()
    table["extras"][0]["shape"] = [MOMENTS, WIDTH]
    table["files"]["onnx"]["parts"] = {"tiny.onnx": digest}
    (remembering / "bundle.json").write_text(json.dumps(table))
    with pytest.raises(ModelMismatch, match="what it gave before, 2 numbers a face, .* it gives nothing"):
        load_classifier(bundles.load(remembering), "onnx", EngineOptions())
