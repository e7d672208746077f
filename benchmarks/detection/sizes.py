"""Which share of faces is found at which size of search, by the face's own size."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.peers import clips
from edge.detect import DetectorOptions, detector_class
from edge.engine import EngineOptions
from edge.results import Box, Face

SIDES = (64, 48, 32, 24, 20, 16)  # pixels of the shorter side of a face's box
# Longest side searched, and the least score.
SEARCHES = (
    (640, 0.5),
    (480, 0.5),
    (416, 0.5),
    (384, 0.4),
    (384, 0.5),
    (384, 0.6),
    (320, 0.5),
    (320, 0.6),
)
FOUND = 0.5  # overlap (IoU) from which a box is the face's
OTHER = 0.2  # and below which it is none of a face
AROUND = 2.0  # sides of context, without which no detector finds a face
ONE = EngineOptions(threads=1)
Picture = tuple[Any, Box]


def yunet(model: Path, size: int, score: float | None = None) -> Any:
    options = DetectorOptions(size=size, score=score, model=model, engine="onnx", engine_options=ONE)
    return detector_class("yunet")(options)


def faces_of(videos: Any, model: Path) -> Iterator[Picture]:
    """Pictures around large faces, with the box in them, out of every sixth frame."""
    search = yunet(model, 1280)
    for frames in videos:
        for frame in frames[::4]:
            for face in search(frame):
                side = min(face.box.width, face.box.height)
                x, y = face.box.centre
                left, top, extent = (
                    round(x - side * AROUND / 2),
                    round(y - side * AROUND / 2),
                    round(side * AROUND),
                )
                part = frame[max(0, top) : top + extent, max(0, left) : left + extent]
                if side >= 48 and min(part.shape[:2]) >= 0.8 * extent:
                    box = face.box
                    yield part, Box(box.x - max(0, left), box.y - max(0, top), box.width, box.height)


def scenes(pictures: Sequence[Picture]) -> Iterator[tuple[Any, list[tuple[int, Box]]]]:
    """A 640 x 480 frame for each picture, which it shows at every one of the ``SIDES`` (never enlarged)."""
    random = np.random.default_rng(3)
    for picture, box in pictures:
        frame = random.normal(110, clips.NOISE, (clips.HEIGHT, clips.WIDTH, 3))
        placed, left, top, row = [], 4, 4, 0
        for side in SIDES:
            scale = side / min(box.width, box.height)
            if scale > 1:
                continue
            wide, high = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
            if left + wide + 16 > clips.WIDTH:
                left, top, row = 4, top + row + 4, 0
            at_x, at_y = left + int(random.integers(16)), top + int(random.integers(16))
            small = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA)
            frame[at_y : at_y + high, at_x : at_x + wide] = small + random.normal(0, clips.NOISE, small.shape)
            factors = wide / picture.shape[1], high / picture.shape[0]
            placed.append(
                (
                    side,
                    Box(
                        at_x + box.x * factors[0],
                        at_y + box.y * factors[1],
                        box.width * factors[0],
                        box.height * factors[1],
                    ),
                )
            )
            left, row = at_x + wide + 4, max(row, high + 16)
        yield frame.clip(0, 255).astype(np.uint8), placed


def by_size(videos: Sequence[Sequence[Any]], model: Path, intel: Path | None) -> dict[str, Any]:
    """The share of faces found by side, and of false ones, for each detector, size of search and score.

    What is found in the clips' own frames is false where a search at full size finds nothing of the kind.
    """
    whole = [frame for frames in videos for frame in frames[::4]]
    strict = yunet(model, 1280, 0.3)
    truth = [[face.box for face in strict(frame)] for frame in whole]
    shown = list(scenes(list(faces_of(videos, model))))
    searches = {f"yunet {size} {score}": yunet(model, size, score) for size, score in SEARCHES}
    haar = detector_class("haar")
    searches |= {f"haar {size}": haar(DetectorOptions(size=size)) for size in (640, 320)}
    if intel:
        searches["intel 300"] = retail(intel)
    return {
        "frames": len(whole),
        "faces": {str(side): sum(side == one for _, placed in shown for one, _ in placed) for side in SIDES},
        "detectors": {name: _judge(search, shown, whole, truth) for name, search in searches.items()},
    }


def _judge(search: Any, shown: Any, whole: Any, truth: Any) -> dict[str, Any]:
    """``found`` by side, ``false`` of the faces ``told`` in the clips, CPU-ms of a 640 x 480 frame."""
    hits: dict[int, list[bool]] = {side: [] for side in SIDES}
    spent = []
    for frame, placed in shown:
        began = time.process_time()
        boxes = [face.box for face in search(frame)]
        spent.append((time.process_time() - began) * 1e3)
        for side, box in placed:
            hits[side].append(any(box.iou(other) > FOUND for other in boxes))
    told = false = 0
    for frame, there in zip(whole, truth, strict=True):
        boxes = [face.box for face in search(frame)]
        told += len(boxes)
        false += sum(all(box.iou(other) < OTHER for other in there) for box in boxes)
    return {
        "found": {str(side): round(statistics.fmean(each), 3) for side, each in hits.items() if each},
        "false": false,
        "told": told,
        "cpu_ms": round(statistics.median(spent), 2),
    }


def retail(folder: Path) -> Any:
    """Intel's detector as benchmarks/peers/runners/run_intel.py runs it."""
    import openvino

    path = folder / "face-detection-retail-0004.xml"
    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()

    def search(frame: Any) -> list[Face]:
        high, wide = frame.shape[:2]
        blob = cv2.resize(frame, (300, 300)).transpose(2, 0, 1)[None].astype(np.float32)
        rows = next(iter(request.infer([np.ascontiguousarray(blob)]).values())).reshape(-1, 7)
        corners = rows[rows[:, 2] > 0.5][:, 3:] * (wide, high, wide, high)
        return [Face(Box(a, b, c - a, d - b)) for a, b, c, d in corners.tolist()]

    return search
