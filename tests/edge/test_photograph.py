"""A real photograph through what really ships: OpenCV's cascade, YuNet's weights, our bundles."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import edge
from edge import bundle as bundles
from edge.align import align
from edge.detect import DetectorOptions
from edge.detectors.haar import HaarDetector
from edge.detectors.yunet import YunetDetector
from edge.engine import EngineOptions
from edge.errors import EngineError
from edge.fetch import WEIGHTS, cached
from edge.landmarks import Landmarker
from edge.results import Box
from edge.sources.decode import read_image
from edge.upright import Upright, turn_back

FACE = Box(170, 130, 195, 195)  # Grace Hopper's, by eye, from the hat's edge to the chin


@pytest.fixture
def photograph() -> np.ndarray:
    matplotlib = pytest.importorskip("matplotlib", reason="the photograph comes inside matplotlib")
    return read_image(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")


@pytest.fixture
def yunet() -> Path:
    """YuNet's real weights: fetched, or lying beside the checkout."""
    beside = Path(__file__).parents[3] / "shared" / "models" / WEIGHTS["yunet"].file
    for path in (cached("yunet"), beside):
        if path.is_file():
            return path
    pytest.skip("YuNet's weights are not here: ferlite fetch yunet")


def test_haar_finds_the_face(photograph: np.ndarray) -> None:
    (face,) = HaarDetector(DetectorOptions())(photograph)
    assert face.box.iou(FACE) > 0.5


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_yunet_agrees_with_opencvs_own_decoding(photograph: np.ndarray, yunet: Path, engine: str) -> None:
    """Same network, two independent decoders: OpenCV's FaceDetectorYN and ours."""
    try:
        detector = YunetDetector(DetectorOptions(size=608, model=yunet, engine=engine))
    except EngineError as error:
        pytest.skip(str(error))
    canvas = np.zeros((608, 512, 3), np.uint8)
    canvas[:600] = photograph
    reference = cv2.FaceDetectorYN.create(str(yunet), "", (512, 608), 0.6, 0.3).detect(canvas)[1]
    faces = detector(photograph)
    assert len(faces) == len(reference) == 1
    assert faces[0].landmarks is not None
    ours = [faces[0].box.x, faces[0].box.y, faces[0].box.width, faces[0].box.height]
    ours += [value for point in faces[0].landmarks for value in point]
    # OpenVINO computes in bfloat16 where the processor can.
    np.testing.assert_allclose(ours, reference[0][:14], atol=0.05 if engine == "onnx" else 3)
    assert faces[0].score == pytest.approx(float(reference[0][14]), abs=0.02)
    assert faces[0].box.iou(FACE) > 0.5
    detector.close()


@pytest.mark.parametrize("name", bundles.shipped())
def test_every_engine_of_a_shipped_bundle_reads_alike(photograph: np.ndarray, name: str) -> None:
    readings = {}
    for engine in bundles.load(name).files:
        try:
            with edge.open_pipeline(name, engine, "haar") as pipeline:
                (readings[engine],) = pipeline(photograph)
        except EngineError as error:
            pytest.skip(str(error))
    first, *others = readings.values()
    assert sum(first.weights.values()) == pytest.approx(1)
    for other in others:
        assert other.weights == pytest.approx(first.weights, abs=0.1)


@pytest.mark.parametrize("name", bundles.shipped())
def test_a_turned_photograph_reads_like_the_upright_one(
    photograph: np.ndarray, yunet: Path, name: str
) -> None:
    """Alignment by landmarks takes out the head's roll."""
    height, width = photograph.shape[:2]
    tilt = cv2.getRotationMatrix2D((width / 2, height / 2), 20, 1.0)
    turned = cv2.warpAffine(photograph, tilt, (width, height))
    with edge.open_pipeline(name, detector_options=DetectorOptions(model=yunet)) as pipeline:
        (upright,), (rolled,) = pipeline(photograph), pipeline(np.asarray(turned, np.uint8))
    assert rolled.weights == pytest.approx(upright.weights, abs=0.15)


@pytest.mark.parametrize("name", bundles.shipped("landmarks"))
def test_shipped_landmarks_lie_where_the_face_was_cut_to_lie_in_every_engine(
    photograph: np.ndarray, yunet: Path, name: str
) -> None:
    loaded = bundles.load(name)
    detector = YunetDetector(DetectorOptions(model=yunet))
    (face,) = detector(photograph)
    detector.close()
    crop = align(photograph, face, loaded.crop, loaded.input)
    found = {}
    for engine in loaded.files:
        try:
            landmarker = Landmarker(loaded, engine, EngineOptions(threads=1))
        except EngineError as error:
            pytest.skip(str(error))
        found[engine], _ = landmarker([crop])
        landmarker.close()
    first, *others = found.values()
    eyes_and_mouth = [first[0, a:b].mean(0) for a, b in ((36, 42), (42, 48), (48, 49), (54, 55))]
    wanted = [loaded.crop.landmarks[k] for k in (0, 1, 3, 4)]
    np.testing.assert_allclose(eyes_and_mouth, wanted, atol=0.08)
    for other in others:
        assert np.linalg.norm(other - first, axis=-1).mean() < 0.02


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_photograph_on_its_side_is_read_as_it_is_upright(
    photograph: np.ndarray, yunet: Path, turn: int
) -> None:
    rolled = np.ascontiguousarray(np.rot90(photograph, turn))
    with edge.open_pipeline(detector="yunet", detector_options=DetectorOptions(model=yunet)) as pipeline:
        (upright,), (turned,) = pipeline(photograph), pipeline(rolled)
    height, width = photograph.shape[:2]
    face = turn_back(turned.face, 4 - turn, width, height)  # clockwise
    assert face.box.iou(upright.face.box) > 0.8
    assert turned.expression == upright.expression
    distance = sum(abs(turned.weights[name] - upright.weights[name]) for name in upright.weights) / 2
    assert distance < 0.1


def test_a_video_upside_down_is_read_as_it_is_upright(photograph: np.ndarray, yunet: Path) -> None:
    detector = YunetDetector(DetectorOptions(model=yunet))
    upright = Upright(detector)
    (face,) = upright.search(photograph[::-1, ::-1].copy())
    assert turn_back(face, 2, photograph.shape[1], photograph.shape[0]).box.iou(FACE) > 0.5
    assert face.score is not None and face.score > 0.85
    detector.close()
