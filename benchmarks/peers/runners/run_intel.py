"""Intel's int8 chain in OpenVINO, in as small a loop as can be: arguments are its folder, threads."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import openvino
from loop import serve

LABELS = ("neutral", "happiness", "sadness", "surprise", "anger")
SCORE = 0.5

folder, threads = Path(sys.argv[1]), int(sys.argv[2])
cv2.setNumThreads(threads)
core = openvino.Core()
settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
detect = core.compile_model(folder / "face-detection-retail-0004.xml", "CPU", settings).create_infer_request()
classify = core.compile_model(
    folder / "emotions-recognition-retail-0003.xml", "CPU", settings
).create_infer_request()


def blob(picture, size):
    """[1, 3, size, size] float32 BGR, as both networks take it."""
    small = cv2.resize(picture, (size, size))
    return np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)


def read(frame, index):
    """The faces of one frame."""
    high, wide = frame.shape[:2]
    rows = next(iter(detect.infer([blob(frame, 300)]).values())).reshape(-1, 7)
    found = []
    for row in rows[rows[:, 2] > SCORE]:
        left, top, right, bottom = (row[3:] * (wide, high, wide, high)).round().astype(int)
        left, top, right, bottom = max(0, left), max(0, top), min(wide, right), min(high, bottom)
        if right <= left or bottom <= top:
            continue
        weights = next(iter(classify.infer([blob(frame[top:bottom, left:right], 64)]).values())).ravel()
        found.append((left, top, right - left, bottom - top, LABELS[int(weights.argmax())]))
    return found


serve(read)
