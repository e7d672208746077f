"""The stages are taken at the joints of the pipeline that ships."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import engine as engines
from edge.detect import DetectorOptions
from edge.pipeline import open_pipeline
from edge.track import Tracker
from measure.stages import STAGES, Stopwatch, TimedPipeline, timed_engines
from tests.conftest import DATA

OPTIONS = DetectorOptions(model=DATA / "tiny_yunet.onnx")


def frames(clip: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(clip))
    found = []
    while (frame := capture.read()[1]) is not None:
        found.append(frame)
    capture.release()
    return found


def test_a_timed_pipeline_reads_what_the_plain_one_reads(bundle: Path, clip: Path) -> None:
    pictures = frames(clip)
    with open_pipeline(
        bundle, "onnx", "yunet", detector_options=OPTIONS, tracker=Tracker(smooth=0.4)
    ) as plain:
        expected = [plain(picture, k / 25) for k, picture in enumerate(pictures)]
    watch = Stopwatch()
    with timed_engines(watch), open_pipeline(bundle, "onnx", "yunet", detector_options=OPTIONS) as inner:
        timed = TimedPipeline(inner, watch, smooth=0.4)
        got = [timed(picture, k / 25) for k, picture in enumerate(pictures)]
    assert got == expected and all(got)


def test_stages_add_up_to_the_call_and_hold_the_engines(bundle: Path, clip: Path) -> None:
    picture = frames(clip)[0]
    watch = Stopwatch()
    with timed_engines(watch), open_pipeline(bundle, "onnx", "yunet", detector_options=OPTIONS) as inner:
        pipeline = TimedPipeline(inner, watch)
        for moment in range(7):  # the last is a frame that is searched
            began = time.perf_counter()
            watch.start()
            assert pipeline(picture, moment / 25)
            watch.lap("judge")
            whole = (time.perf_counter() - began) * 1e3
    assert set(watch.stages) == set(STAGES)
    assert sum(watch.stages.values()) <= whole
    assert sum(watch.stages.values()) == pytest.approx(whole, rel=0.2, abs=0.2)
    for stage in ("detect", "align", "classify", "track", "judge"):
        assert watch.stages[stage] > 0
    assert 0 < watch.engine_ms <= watch.stages["detect"] + watch.stages["classify"]
    assert watch.search_engine


def test_a_frame_without_a_face_is_all_detection(bundle: Path) -> None:
    watch = Stopwatch()
    with timed_engines(watch), open_pipeline(bundle, "onnx", "yunet", detector_options=OPTIONS) as inner:
        pipeline = TimedPipeline(inner, watch)
        watch.start()
        assert pipeline(np.zeros((128, 160, 3), np.uint8), 0.0) == []
    assert watch.stages["detect"] > 0 and watch.stages["classify"] == 0


def test_a_still_is_not_tracked(bundle: Path, clip: Path) -> None:
    watch = Stopwatch()
    with timed_engines(watch), open_pipeline(bundle, "onnx", "yunet", detector_options=OPTIONS) as inner:
        watch.start()
        readings = TimedPipeline(inner, watch)(frames(clip)[0])
    assert readings[0].track is None and watch.stages["track"] == 0


def test_engines_are_wrapped_only_inside_the_block(bundle: Path) -> None:
    load = engines.load
    with pytest.raises(ZeroDivisionError), timed_engines(Stopwatch()):
        assert engines.load is not load
        raise ZeroDivisionError
    assert engines.load is load


def test_a_detector_in_no_engine_leaves_the_classifiers_time(bundle: Path, clip: Path) -> None:
    watch = Stopwatch()
    options = replace(OPTIONS, model=None)
    with timed_engines(watch), open_pipeline(bundle, "onnx", "haar", detector_options=options) as inner:
        watch.start()
        TimedPipeline(inner, watch)(frames(clip)[0])
    assert watch.engine_ms == 0 and not watch.search_engine and watch.searched and watch.stages["detect"] > 0
