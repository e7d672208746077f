"""What is found, and how steadily, when a video is searched at every k-th frame only."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.detection.sizes import FOUND, ONE, yunet
from benchmarks.peers import clips
from edge.detect import DetectorOptions
from edge.pipeline import open_pipeline
from edge.results import Face
from edge.run import VIDEO_SIZE
from edge.track import Tracker
from edge.video.follow import Follower

EVERY = (1, 2, 3, 5, 8)


class Counted:
    """A detector that counts how often it is asked."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.count = inner, 0

    def __call__(self, frame: Any) -> Any:
        self.count += 1
        return self.inner(frame)


def follow(frames: Sequence[Any], every: int, model: Path, bundle: str, known: bool) -> dict[str, Any]:
    """One clip searched at every ``every``-th frame; ``known``: the camera alone moved, by clips.place."""
    search = yunet(model, VIDEO_SIZE)
    counted = Counted(search)
    follower = Follower(counted, every)
    reference = [search(frame) for frame in frames]
    got = [list(follower(frame, index / 25)[0]) for index, frame in enumerate(frames)]
    overlaps = [
        max((face.box.iou(other.box) for other in there), default=0.0)
        for faces, there in zip(reference, got, strict=True)
        for face in faces
    ]
    kept = sorted(overlap for overlap in overlaps if overlap > FOUND)
    return {
        "frames": len(frames),
        "searches": counted.count,
        "faces": len(overlaps),
        "found": len(kept),
        "beyond": sum(
            max((face.box.iou(other.box) for other in faces), default=0.0) <= FOUND
            for faces, there in zip(reference, got, strict=True)
            for face in there
        ),
        "overlap_median": round(statistics.median(kept), 3) if kept else None,
        "overlap_p5": round(kept[len(kept) // 20], 3) if kept else None,
        **({"jitter": jitter(got)} if known else {}),
        **labels(frames, every, model, bundle),
    }


def jitter(found: Sequence[Sequence[Face]]) -> float:
    """How far landmarks move against the scene between two frames, in sides of the face: the median."""
    moves = []
    for index, (before, after) in enumerate(pairwise(found)):
        (x, y), (u, v) = clips.place(index), clips.place(index + 1)
        for face in after:
            twin = max(before, key=lambda other: other.box.iou(face.box), default=None)
            if twin is not None and twin.box.iou(face.box) > FOUND:
                apart = np.array(face.landmarks) - np.array(twin.landmarks) + (u - x, v - y)
                moves.append(np.hypot(*apart.T).mean() / math.sqrt(face.box.area))
    return round(float(np.median(moves)), 4)


def labels(frames: Sequence[Any], every: int, model: Path, bundle: str) -> dict[str, Any]:
    """Changes of a face's expression, and CPU time, as ``ferlite run`` would have them."""
    options = DetectorOptions(size=VIDEO_SIZE, model=model, engine="onnx", engine_options=ONE)
    last: dict[int | None, str] = {}
    flips = pairs = 0
    spent = []
    with open_pipeline(
        bundle,
        detector="yunet",
        engine_options=ONE,
        detector_options=options,
        tracker=Tracker(),
        detect_every=every,
    ) as pipeline:
        for index, frame in enumerate(frames):
            began = time.process_time()
            readings = pipeline(frame, index / 25)
            spent.append((time.process_time() - began) * 1e3)
            seen = {reading.track: reading.expression for reading in readings}
            pairs += len(seen.keys() & last.keys())
            flips += sum(last[track] != seen[track] for track in seen.keys() & last.keys())
            last = seen
    return {"pairs": pairs, "flips": flips, "cpu_ms": round(statistics.fmean(spent[5:]), 2)}


def pooled(followed: dict[str, Any]) -> dict[str, Any]:
    """Sums over all clips."""
    keys = ("frames", "searches", "faces", "found", "beyond", "pairs", "flips")
    return {
        str(k): {key: sum(each[str(k)][key] for each in followed.values()) for key in keys} for k in EVERY
    }
