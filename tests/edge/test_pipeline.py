"""The front door for Python programs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge
from edge.detect import DetectorOptions
from edge.errors import FerliteError, UsageError

FRAME = np.zeros((48, 64, 3), np.uint8)


@pytest.fixture
def pipeline(make_bundle: Callable[..., Path], data: Path) -> Iterator[edge.Pipeline]:
    options = DetectorOptions(model=data / "tiny_yunet.onnx")
    with edge.open_pipeline(make_bundle(), "onnx", "yunet", detector_options=options) as opened:
        yield opened


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (FRAME / 255, r"not float64 \[48, 64, 3\]"),
        (FRAME.astype(np.uint16), r"not uint16 \[48, 64, 3\]"),
        (FRAME[..., 0], r"not uint8 \[48, 64\]"),
        (np.zeros((48, 64, 4), np.uint8), r"not uint8 \[48, 64, 4\]"),
        (FRAME[None], r"not uint8 \[1, 48, 64, 3\]"),
        (FRAME[:0], r"not uint8 \[0, 64, 3\]"),
        (None, "not NoneType"),
        (FRAME.tolist(), "not list"),
        ("photo.jpg", "not str"),
    ],
)
@pytest.mark.parametrize("time", [None, 1.0])
def test_what_is_no_frame_is_refused_in_one_sentence(
    pipeline: edge.Pipeline, frame: Any, said: str, time: float | None
) -> None:
    with pytest.raises(UsageError, match=rf"a frame must be .*uint8 \[H, W, 3\] in BGR, {said}") as caught:
        pipeline(frame, time)
    assert isinstance(caught.value, FerliteError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("time", [math.nan, math.inf])
def test_a_time_that_is_no_number_is_refused(pipeline: edge.Pipeline, time: float) -> None:
    with pytest.raises(UsageError, match="time must be seconds"):
        pipeline(FRAME, time)


def test_views_of_arrays_are_frames(pipeline: edge.Pipeline, bright_square: np.ndarray) -> None:
    large = np.zeros((256, 320, 3), np.uint8)
    large[::2, ::2] = bright_square
    plain = pipeline(bright_square)
    assert plain
    for view in (
        large[::2, ::2],
        bright_square[::-1, ::-1].copy()[::-1, ::-1],
        np.asfortranarray(bright_square),
    ):
        assert [reading.weights for reading in pipeline(view)] == [reading.weights for reading in plain]


def test_a_bundle_of_eight_expressions(
    make_bundle: Callable[..., Path], data: Path, bright_square: np.ndarray, tmp_path: Path
) -> None:
    """FER+ and AffectNet have contempt: the labels are the bundle's, wherever they are shown."""
    import hashlib

    onnx = pytest.importorskip("onnx", reason="onnx widens the tiny model")
    from onnx import numpy_helper

    model = onnx.load(data / "tiny.onnx")
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if 7 in array.shape:
            axis = array.shape.index(7)
            wider = np.concatenate([array, array.take([0], axis)], axis)
            tensor.CopyFrom(numpy_helper.from_array(wider, tensor.name))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 8
    content = model.SerializeToString()

    def eight(table: dict[str, Any]) -> None:
        table["labels"] = [*table["labels"], "contempt"]
        table["files"] = {
            "onnx": {**table["files"]["onnx"], "parts": {"tiny.onnx": hashlib.sha256(content).hexdigest()}}
        }

    folder = make_bundle(eight)
    (folder / "tiny.onnx").write_bytes(content)
    options = DetectorOptions(model=data / "tiny_yunet.onnx")
    with edge.open_pipeline(folder, "onnx", "yunet", detector_options=options) as opened:
        (reading, *_) = opened(bright_square)
    assert list(reading.weights) == json.loads((folder / "bundle.json").read_text())["labels"]
    assert sum(reading.weights.values()) == pytest.approx(1)
    assert reading.weights["contempt"] == reading.weights["anger"]
