"""One contract over the table of systems: a tiny recipe learns, resumes, exports, becomes int8 and reads.

A system that is added to the table has to be added to SYSTEM here: the first test holds that.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="systems are trained with torch")
pytest.importorskip("onnxscript", reason="exporting needs onnxscript")
pytest.importorskip("onnxruntime", reason="an export is checked with onnxruntime")

import edge  # noqa: E402
from edge.bundle_files import writer  # noqa: E402
from edge.bundle_files.writer import Model  # noqa: E402
from edge.detect import DetectorOptions  # noqa: E402
from edge.errors import RecipeInvalid, UsageError  # noqa: E402
from faces.face_set import FaceSet  # noqa: E402
from faces.labels import EXPRESSIONS  # noqa: E402
from quantize.builder import Float  # noqa: E402
from quantize.builders.onnx import OnnxBuilder  # noqa: E402
from quantize.network.export import export  # noqa: E402
from quantize.network.load import load_source  # noqa: E402
from quantize.recipe import parse as quantize_recipe  # noqa: E402
from tests.train import make  # noqa: E402
from train import export as train_export  # noqa: E402
from train import loop, recipe  # noqa: E402
from train.checkpoint import BEST, CHECKPOINT, load_run  # noqa: E402
from train.systems.system import parts_of, system_of  # noqa: E402
from train.systems.table import SYSTEMS  # noqa: E402

TINY = """
schema = 1
name = "tiny"
[model]
backbone = "mobilenet_v2"
input_size = 24
width = 0.1
strides = [2, 1, 1, 2, 1, 1, 2, 1]
[data]
mean = 100.5
std = 60.0
[augment]
rotate = 10
light = 0.2
[train]
epochs = 1
batch_size = 8
lr = 0.01
ema = 0.5
seed = 7
[system]
name = "{name}"
"""
# What a system's tiny recipe has otherwise, and where its streams come from.
SYSTEM: dict[str, Mapping[str, str]] = {
    "plain": {},
    "dcd_dan": {"[system]": "[system]\nfeatures = 16"},
    "map_net": {"[system]": "[system]\nfeatures = 16"},
    "neonatal": {
        "mobilenet_v2": "densenet",
        "strides = [2, 1, 1, 2, 1, 1, 2, 1]": "",
        "[data]": '[data]\nlabels = "neonatal"',
    },
    "prepared_cnn": {
        "mobilenet_v2": "small_cnn",
        "strides = [2, 1, 1, 2, 1, 1, 2, 1]": "",
        "[data]": '[data]\nprepare = ["gamma", "clahe"]',
    },
    "quantum": {"mobilenet_v2": "resnet_slim", "strides = [2, 1, 1, 2, 1, 1, 2, 1]": ""},
    "tfen": {"[system]": "[system]\nfeatures = 8\nmoments = 4\npeople = 3"},
}
STREAMS: dict[str, Mapping[str, int]] = {
    "dcd_dan": {"target": 9},
    "map_net": {"landmarked": 8},
    "tfen": {"clips": 10},
}
TRAIN, PUBLIC = make.face_set(16, seed=1), make.face_set(14, seed=2)
INT8 = """
schema = 1
name = "quick"
engine = "onnx"
[calibration]
faces = 14
"""


def tiny(name: str) -> recipe.Recipe:
    text = TINY.format(name=name)
    for old, new in SYSTEM[name].items():
        text = text.replace(old, new)
    return recipe.parse(text, name)


def streams(name: str) -> dict[str, FaceSet]:
    points = np.random.default_rng(3).uniform(0.2, 0.8, (20, 68, 2)).astype(np.float32)
    wished = STREAMS.get(name, {}).items()
    person = np.arange(20) % 3
    return {
        stream: make.clip_set(20, seed, 4)
        if stream == "clips"
        else replace(make.face_set(20, seed), landmarks=points, person=person)
        for stream, seed in wished
    }


def labelled(name: str) -> tuple[FaceSet, FaceSet]:
    """Faces to learn from and to choose by, labelled as the system wants them."""
    classes = tiny(name).labels
    if classes == EXPRESSIONS:
        return TRAIN, PUBLIC
    count = len(classes)
    return tuple(  # type: ignore[return-value]
        replace(
            faces,
            labels=faces.labels % count,
            votes=np.zeros((len(faces), count), np.float32),
            majority=np.full(len(faces), -1, np.int64),
            classes=classes,
        )
        for faces in (TRAIN, PUBLIC)
    )


def fit(name: str, out: Path) -> loop.Outcome:
    return loop.fit(tiny(name), *labelled(name), out, threads=1, streams=streams(name))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=SYSTEMS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps."""
    out = tmp_path_factory.mktemp("systems") / str(request.param)
    assert fit(str(request.param), out).finished
    return out


def test_every_system_of_the_table_is_held_to_the_contract() -> None:
    assert list(SYSTEM) == list(SYSTEMS)


def assert_same(left: Any, right: Any) -> None:
    if isinstance(left, torch.Tensor):
        assert torch.equal(left, right)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            if key not in ("seconds", "history"):
                assert_same(left[key], right[key])
    elif isinstance(left, (list, tuple)):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    else:
        assert left == right


def test_a_run_stopped_after_its_first_step_ends_in_the_very_same_weights(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.Run.one_step

    def stop_then_step(self: loop.Run) -> float:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Run, "one_step", stop_then_step)
        assert fit(run.name, tmp_path / run.name).steps == 1
    assert fit(run.name, tmp_path / run.name).finished
    for file in (CHECKPOINT, BEST):
        whole, parts = (torch.load(folder / file, weights_only=True) for folder in (run, tmp_path / run.name))
        assert_same(whole, parts)


def test_its_network_moves_and_so_do_its_helpers(run: Path) -> None:
    fresh = parts_of(tiny(run.name))
    saved = torch.load(run / CHECKPOINT, weights_only=True)
    for module, state in ((fresh.network, saved["model"]), (fresh.helpers, saved.get("helpers", {}))):
        for name, value in module.named_parameters():
            assert not value.requires_grad or not torch.equal(value, state[name]), name
    turns = system_of(tiny(run.name)).turns()
    assert {name for turn in turns for name in turn.trains} >= set(fresh.helpers)


def test_it_is_exported_becomes_int8_and_reads_a_frame(
    run: Path, tmp_path: Path, data: Path, bright_square: Any
) -> None:
    trained = load_run(run)
    about = train_export.describe(trained, tmp_path, 1.0, (), "fer2013", side=48)
    source = load_source(run)
    network = Float(source.name, export(source, program=False), source.input, source.told)
    builder = OnnxBuilder()
    plain = builder.plain(network)
    built = builder.quantize(network, plain, quantize_recipe(INT8, run), TRAIN.faces)
    assert built.precision == "int8"
    options = DetectorOptions(model=data / "tiny_yunet.onnx")
    for each in (plain, built):
        folder = tmp_path / each.precision
        writer.write(folder, *writer.compose(about, {"onnx": Model(each.parts, each.precision)}))
        with edge.open_pipeline(folder, "onnx", "yunet", detector_options=options) as pipeline:
            (reading, *_) = pipeline(bright_square)
        assert tuple(reading.weights) == trained.recipe.labels
        assert sum(reading.weights.values()) == pytest.approx(1)


def test_a_stream_that_is_missing_or_not_wished_for_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="learns from a stream 'target': give a data set with --stream"):
        loop.fit(tiny("dcd_dan"), TRAIN, PUBLIC, tmp_path, threads=1)
    with pytest.raises(UsageError, match=r"\(system 'plain'\) has no stream 'target': leave out --stream"):
        loop.fit(tiny("plain"), TRAIN, PUBLIC, tmp_path, threads=1, streams=streams("dcd_dan"))


def test_an_unknown_system_or_setting_is_told() -> None:
    with pytest.raises(RecipeInvalid, match=r"unknown system 'gan': choose plain, dcd_dan"):
        recipe.parse(TINY.format(name="gan"), "x")
    with pytest.raises(RecipeInvalid, match=r"unknown key 'stem'; valid keys: name, attention"):
        recipe.parse(TINY.format(name="dcd_dan") + 'stem = "plain"', "x")
    with pytest.raises(RecipeInvalid, match="unknown key 'width'; valid keys: name"):
        recipe.parse(TINY.format(name="plain") + "width = 2", "x")


def test_what_a_stream_gives_is_a_function_of_the_seed_the_step_and_its_name() -> None:
    from train.streams import Stream

    faces = make.face_set(20, 1)
    one, again, other = (Stream(tiny("plain"), name, faces) for name in ("a", "a", "b"))
    first = one.at(5, 24)
    one.at(6, 24)
    np.testing.assert_array_equal(first.grey, again.at(5, 24).grey)
    np.testing.assert_array_equal(first.indices, again.at(5, 24).indices)
    assert not torch.equal(first.indices, again.at(6, 24).indices)
    assert not torch.equal(first.indices, other.at(5, 24).indices)
