"""The stages are taken at the joints of the pipeline that ships."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.pipeline import Pipeline, open_pipeline
from edge.run import pipeline_of
from edge.track import Tracker
from measure.request import Order
from measure.stages import STAGES, Stopwatch
from tests.conftest import DATA


def frames(clip: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(clip))
    found = []
    while (frame := capture.read()[1]) is not None:
        found.append(frame)
    capture.release()
    return found


def timed(bundle: Path, watch: Stopwatch | None, detector: str = "yunet") -> Pipeline:
    model = str(DATA / "tiny_yunet.onnx") if detector == "yunet" else ""
    settings = Order(str(bundle), ("onnx",), detector=detector, detector_model=model).settings()
    return pipeline_of(settings, False, watch.lap, watch.engine) if watch else pipeline_of(settings, False)


def test_a_timed_pipeline_reads_what_ferlite_run_reads(bundle: Path, clip: Path) -> None:
    from edge.detect import DetectorOptions

    options = DetectorOptions(size=384, model=DATA / "tiny_yunet.onnx")
    pictures = frames(clip)
    with open_pipeline(bundle, "onnx", "yunet", detector_options=options, tracker=Tracker()) as plain:
        expected = [plain(picture, k / 25) for k, picture in enumerate(pictures)]
    with timed(bundle, Stopwatch()) as pipeline:
        got = [pipeline(picture, k / 25) for k, picture in enumerate(pictures)]
    assert got == expected and all(got)


def test_stages_add_up_to_the_call_and_hold_the_engines(bundle: Path, clip: Path) -> None:
    picture = frames(clip)[0]
    watch = Stopwatch()
    with timed(bundle, watch) as pipeline:
        for moment in range(3):  # after so long, each is searched and read
            began = time.perf_counter()
            watch.start()
            assert pipeline(picture, float(moment))
            watch.lap("judge")
            whole = (time.perf_counter() - began) * 1e3
    assert set(watch.stages) == set(STAGES)
    assert sum(watch.stages.values()) <= whole
    assert sum(watch.stages.values()) == pytest.approx(whole, rel=0.2, abs=0.2)
    for stage in ("detect", "align", "classify", "pace", "judge"):
        assert watch.stages[stage] > 0
    assert 0 < watch.engine_ms <= watch.stages["detect"] + watch.stages["classify"]
    assert watch.search_engine


def test_a_frame_without_a_face_is_all_detection(bundle: Path) -> None:
    watch = Stopwatch()
    with timed(bundle, watch) as pipeline:
        watch.start()
        assert pipeline(np.zeros((128, 160, 3), np.uint8), 0.0) == []
    assert watch.stages["detect"] > 0 and watch.stages["classify"] == 0


def test_a_still_is_searched_and_not_tracked(bundle: Path, clip: Path) -> None:
    watch = Stopwatch()
    with timed(bundle, watch) as pipeline:
        watch.start()
        (reading,) = pipeline(frames(clip)[0])
    assert reading.track is None and watch.stages["pace"] == 0 and watch.searched


def test_nobody_is_told_of_a_pipeline_that_is_not_timed(bundle: Path, clip: Path) -> None:
    watch = Stopwatch()
    with timed(bundle, None) as pipeline:
        watch.start()
        assert pipeline(frames(clip)[0], 0.0)
    assert watch.engine_ms == 0 and sum(watch.stages.values()) == 0


def test_a_detector_in_no_engine_leaves_the_classifiers_time(bundle: Path, clip: Path) -> None:
    watch = Stopwatch()
    with timed(bundle, watch, "haar") as pipeline:
        watch.start()
        pipeline(frames(clip)[0])
    assert watch.engine_ms == 0 and not watch.search_engine and watch.searched and watch.stages["detect"] > 0
