"""Detectors: one contract over all, decoding and non-maximum suppression on their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge import detect
from edge.detect import Detector, DetectorOptions
from edge.detectors.table import DETECTORS
from edge.detectors.yunet import letterbox, nms
from edge.errors import (
    DetectorFailed,
    DetectorMissing,
    DetectorUnknown,
    EngineFailed,
    FerliteError,
    ModelMismatch,
)
from edge.fetch import WEIGHTS, cached
from edge.results import Box


def make(name: str, data: Path, engine: str = "auto") -> Detector:
    model = data / "tiny_yunet.onnx" if name == "yunet" else None
    options = DetectorOptions(model=model, engine=engine)
    if reason := detect.detector_class(name).lacks(options):
        pytest.skip(reason)
    return detect.detector_class(name)(options)


@pytest.fixture(params=list(DETECTORS))
def detector(request: pytest.FixtureRequest, data: Path) -> Detector:
    return make(request.param, data)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (31, 33), (480, 640), (1200, 900)])
def test_contract_any_frame_has_an_answer(detector: Detector, shape: tuple[int, int]) -> None:
    assert list(detector(np.zeros((*shape, 3), np.uint8))) == []
    detector.close()


def test_contract_the_frame_is_not_changed(detector: Detector, bright_square: np.ndarray) -> None:
    before = bright_square.copy()
    detector(bright_square)
    np.testing.assert_array_equal(bright_square, before)
    detector.close()
    detector.close()


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_yunet_finds_the_bright_square(data: Path, bright_square: np.ndarray, engine: str) -> None:
    detector = make("yunet", data, engine)
    (face, *others) = detector(bright_square)
    # The 32-pixel cell at (64, 32) is the brightest: a box two strides wide around its middle.
    # OpenVINO computes in bfloat16 where the processor can: eight bits of a number.
    assert face.box == Box(*(pytest.approx(side, abs=0.3) for side in (48, 16, 64, 64)))
    assert face.score == pytest.approx(250 / 255, abs=0.005)
    assert face.landmarks is not None
    assert face.landmarks[0] == (pytest.approx(64 + 3.2, abs=0.3), pytest.approx(32 + 6.4, abs=0.3))
    assert all(face.score >= (other.score or 0) for other in others)
    detector.close()


def test_yunet_answers_in_pixels_of_the_frame(data: Path, bright_square: np.ndarray) -> None:
    large = bright_square.repeat(8, axis=0).repeat(8, axis=1)
    options = DetectorOptions(model=data / "tiny_yunet.onnx", size=160)
    detector = detect.detector_class("yunet")(options)
    assert detector(large)[0].box == Box(*(pytest.approx(8 * side) for side in (48, 16, 64, 64)))


def test_yunet_keeps_few_sessions_whatever_comes(data: Path) -> None:
    detector = make("yunet", data)
    for side in range(32, 32 * 12, 32):
        detector(np.zeros((side, 64, 3), np.uint8))
    assert len(detector._sessions) <= 6  # type: ignore[attr-defined]
    detector.close()


def test_yunet_refuses_what_is_no_yunet(data: Path, tmp_path: Path) -> None:
    yunet = detect.detector_class("yunet")
    with pytest.raises(FerliteError, match=r"tiny\.onnx"):
        yunet(DetectorOptions(model=data / "tiny.onnx"))
    with pytest.raises(DetectorMissing, match="reads an .onnx file"):
        yunet(DetectorOptions(model=data / "tiny.tflite"))
    with pytest.raises(DetectorMissing, match="has no file"):
        yunet(DetectorOptions(model=tmp_path / "no.onnx"))
    (tmp_path / "junk.onnx").write_bytes(b"\x3a\x05junk!")
    with pytest.raises((ModelMismatch, EngineFailed), match=r"junk\.onnx"):
        yunet(DetectorOptions(model=tmp_path / "junk.onnx"))


def test_yunet_without_weights_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERLITE_CACHE", str(tmp_path))
    assert detect.detector_class("yunet").lacks(DetectorOptions()).endswith("ferlite fetch yunet")
    with pytest.raises(DetectorMissing, match="needs its weights"):
        detect.detector_class("yunet")(DetectorOptions())
    choice = detect.choose("auto", DetectorOptions())
    assert choice.name == "haar"
    assert choice.skipped[0][0] == "yunet"


@pytest.mark.parametrize("content", [b"", b"\x08\x07", bytes(WEIGHTS["yunet"].bytes)])
def test_damaged_weights_are_passed_over_with_what_mends_them(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERLITE_CACHE", str(tmp_path))
    cached("yunet").write_bytes(content)
    choice = detect.choose("auto", DetectorOptions())
    assert choice.name == "haar"
    said = f"detector 'yunet': its weights '{cached('yunet')}' are damaged: ferlite fetch yunet"
    assert choice.skipped == (("yunet", said),)


def test_a_user_without_a_home_has_the_other_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("FERLITE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    choice = detect.choose("auto", DetectorOptions())
    assert choice.name == "haar" and "set FERLITE_CACHE to a folder" in choice.skipped[0][1]


def test_haar_refuses_a_file_that_is_no_cascade(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.xml").write_text("<opencv_storage></opencv_storage>")
    with pytest.raises(DetectorFailed, match=r"c\.xml' is not a Haar cascade"):
        detect.detector_class("haar")(DetectorOptions(model=tmp_path / "c.xml"))
    assert capfd.readouterr() == ("", "")


def test_unknown_detector_names_the_valid_ones() -> None:
    with pytest.raises(DetectorUnknown, match="unknown detector 'mtcnn': choose auto, yunet, haar"):
        detect.choose("mtcnn", DetectorOptions())


@given(st.integers(1, 900), st.integers(1, 900), st.integers(32, 700))
def test_letterbox_fits_and_is_a_multiple_of_32(height: int, width: int, longest: int) -> None:
    canvas, scale = letterbox(np.full((height, width, 3), 7, np.uint8), longest)
    assert canvas.shape[0] % 32 == canvas.shape[1] % 32 == 0
    assert 0 < scale <= 1
    assert max(height, width) * scale <= max(longest, 1) + 1e-9
    assert canvas[0, 0, 0] == 7
    assert (canvas[:, :, 0] == 7).any(1).sum() == max(1, round(height * scale))


boxes = hnp.arrays(np.float32, st.tuples(st.integers(0, 12), st.just(4)), elements=st.floats(1, 60, width=32))


@given(boxes, st.floats(0.1, 0.9), st.randoms())
def test_nms_keeps_the_surest_and_nothing_that_overlaps(
    b: np.ndarray, overlap: float, random: object
) -> None:
    scores = np.array([0.01 + random.random() for _ in b], np.float32)  # type: ignore[attr-defined]
    kept = nms(b, scores, overlap)
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)
    as_boxes = [Box(*map(float, box)) for box in b]
    for i, first in enumerate(kept):
        for second in kept[i + 1 :]:
            assert as_boxes[first].iou(as_boxes[second]) <= overlap + 1e-5
    for index in set(range(len(b))) - set(kept):
        assert any(
            scores[keeper] >= scores[index] and as_boxes[keeper].iou(as_boxes[index]) > overlap - 1e-5
            for keeper in kept
        )


@given(boxes)
def test_iou_is_symmetric_and_between_0_and_1(b: np.ndarray) -> None:
    made = [Box(*map(float, box)) for box in b]
    for first in made:
        assert first.iou(first) == pytest.approx(1)
        for second in made:
            assert 0 <= first.iou(second) <= 1 + 1e-9
            assert first.iou(second) == pytest.approx(second.iou(first))
