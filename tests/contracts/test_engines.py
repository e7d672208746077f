"""One contract over every engine: the same tiny network, the same answers, the same refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge import engine as engines
from edge.engine import EngineOptions, ModelFile
from edge.engines.table import ENGINES
from edge.errors import EngineFailed, EngineMissing, EngineRefused, ModelMismatch

PARTS = {"onnx": ["tiny.onnx"], "tflite": ["tiny.tflite"], "openvino": ["tiny.xml", "tiny.bin"]}


@pytest.fixture(params=list(ENGINES))
def name(request: pytest.FixtureRequest) -> str:
    try:
        engines.engine_class(request.param).version()
    except EngineMissing as error:
        pytest.skip(str(error))
    return str(request.param)


def model_for(name: str, data: Path) -> ModelFile:
    return ModelFile("tiny", {Path(part).suffix: (data / part).read_bytes() for part in PARTS[name]})


def pictures(name: str, count: int) -> np.ndarray:
    """Integers, so that the sums are exact in float32 whatever their order."""
    values = np.random.default_rng(count).integers(0, 4, (count, 64)).astype(np.float32)
    return values.reshape((count, 8, 8, 1) if name == "tflite" else (count, 1, 8, 8))


def expected(batch: np.ndarray) -> np.ndarray:
    from make_models import weights

    matrix, bias = weights()
    return batch.reshape(len(batch), 64) @ matrix.T + bias


def test_every_engine_is_covered_here() -> None:
    assert set(PARTS) == set(ENGINES)


def test_describes_its_tensors(name: str, data: Path) -> None:
    engine = engines.load(name, model_for(name, data), EngineOptions())
    (image,), (logits,) = engine.inputs, engine.outputs
    assert image.dtype == logits.dtype == "float32"
    assert image.shape == ((None, 8, 8, 1) if name == "tflite" else (None, 1, 8, 8))
    assert logits.shape == (None, 7)
    engine.close()


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_runs_batches_of_changing_size(name: str, data: Path, threads: int) -> None:
    engine = engines.load(name, model_for(name, data), EngineOptions(threads=threads))
    for count in (1, 5, 2, 1):
        batch = pictures(name, count)
        (result,) = engine.run([batch])
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, expected(batch))
    engine.close()


def test_results_are_the_callers_own(name: str, data: Path) -> None:
    engine = engines.load(name, model_for(name, data), EngineOptions())
    (first,) = engine.run([pictures(name, 2)])
    kept = first.copy()
    engine.run([pictures(name, 2) + 1])
    np.testing.assert_array_equal(first, kept)
    engine.close()
    np.testing.assert_array_equal(first, kept)


def test_takes_a_view_that_is_not_contiguous(name: str, data: Path) -> None:
    engine = engines.load(name, model_for(name, data), EngineOptions())
    batch = pictures(name, 6)
    (result,) = engine.run([batch[::2]])
    np.testing.assert_array_equal(result, expected(batch[::2]))
    engine.close()


@pytest.mark.parametrize(
    "wrong",
    ["no array", "two arrays", "dtype", "rank", "size", "empty"],
    ids=lambda word: word.replace(" ", "-"),
)
def test_refuses_arrays_that_do_not_fit(name: str, data: Path, wrong: str) -> None:
    engine = engines.load(name, model_for(name, data), EngineOptions())
    batch = pictures(name, 1)
    arrays = {
        "no array": [],
        "two arrays": [batch, batch],
        "dtype": [batch.astype(np.float64)],
        "rank": [batch[0]],
        "size": [batch.repeat(2, axis=2)],
        "empty": [batch[:0]],
    }[wrong]
    with pytest.raises(ModelMismatch):
        engine.run(arrays)
    np.testing.assert_array_equal(engine.run([batch])[0], expected(batch))  # and still works
    engine.close()


@pytest.mark.parametrize("damage", ["garbage", "cut", "nothing"])
def test_refuses_a_damaged_model(
    name: str, data: Path, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = model_for(name, data).parts
    main = next(suffix for suffix in engines.engine_class(name).formats if suffix in whole)
    content = {"garbage": b"\x07garbage" * 40, "cut": whole[main][: len(whole[main]) // 2], "nothing": b""}[
        damage
    ]
    with pytest.raises((EngineFailed, ModelMismatch), match="tiny") as caught:
        engines.load(name, ModelFile("tiny", {**whole, main: content}), EngineOptions())
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_refuses_a_device_it_does_not_have(name: str, data: Path) -> None:
    with pytest.raises(EngineRefused, match="'TOASTER'"):
        engines.load(name, model_for(name, data), EngineOptions(device="TOASTER"))


def test_refuses_a_file_of_another_kind(name: str, data: Path) -> None:
    with pytest.raises(ModelMismatch, match="reads"):
        engines.load(name, ModelFile("tiny.txt", {".txt": b"hello"}), EngineOptions())


def test_says_nothing_on_the_terminal(name: str, data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    engine = engines.load(name, model_for(name, data), EngineOptions())
    engine.run([pictures(name, 1)])
    engine.close()
    assert capfd.readouterr() == ("", "")


def test_closing_twice_is_harmless(name: str, data: Path) -> None:
    engine = engines.load(name, model_for(name, data), EngineOptions())
    engine.close()
    engine.close()
