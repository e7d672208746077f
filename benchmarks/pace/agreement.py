"""A video read as it is by default, held against the same video searched and read in every frame."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.detect import DetectorOptions
from edge.engine import EngineOptions
from edge.pipeline import Pipeline, open_pipeline
from edge.results import Reading
from edge.run import VIDEO_SIZE
from edge.track import Tracker
from edge.video.follow import DETECT_EVERY
from edge.video.pace import PACE

FOUND = 0.5  # overlap (IoU) from which a box is the face's
ONE = EngineOptions(threads=1)
Readings = Sequence[Sequence[Reading]]


class Loop:
    """A pipeline as ``ferlite run`` has it, and what it did."""

    def __init__(self, bundle: str, detector: Path, every: int = DETECT_EVERY, pace: float = PACE) -> None:
        self.searches = 0
        options = DetectorOptions(size=VIDEO_SIZE, model=detector, engine="onnx", engine_options=ONE)
        self.pipeline: Pipeline = open_pipeline(
            bundle,
            detector="yunet",
            engine_options=ONE,
            detector_options=options,
            tracker=Tracker(),
            detect_every=every,
            pace=pace,
            joint=self._joint,
        )

    def _joint(self, stage: str) -> None:
        self.searches += stage == "detect"

    def read(self, frames: Sequence[Any], rate: float) -> tuple[Readings, dict[str, Any]]:
        """The readings of each frame of a video, and what they cost."""
        self.pipeline.restart()
        self.searches, before, spent = 0, self.pipeline.reads, time.process_time()
        readings = [self.pipeline(frame, index / rate) for index, frame in enumerate(frames)]
        spent = time.process_time() - spent
        return readings, {
            "searches": self.searches,
            "reads": self.pipeline.reads - before,
            "cpu_ms": round(1e3 * spent / len(frames), 2),
        }

    def close(self) -> None:
        """Free the models."""
        self.pipeline.close()


def compare(every: Readings, paced: Readings) -> dict[str, int]:
    """How many faces of ``every`` are there in ``paced``, and how many of these with the same name.

    ``same_label`` counts "uncertain" as a name of its own; ``beyond`` are faces of ``paced`` alone.
    """
    found = same = same_label = beyond = 0
    for wanted, got in zip(every, paced, strict=True):
        for reading in wanted:
            twin = _twin(reading, got)
            if twin is not None:
                found += 1
                same += twin.expression == reading.expression
                same_label += twin.label == reading.label
        beyond += sum(_twin(reading, wanted) is None for reading in got)
    faces = sum(map(len, every))
    return {"faces": faces, "found": found, "beyond": beyond, "same": same, "same_label": same_label}


def _twin(reading: Reading, others: Sequence[Reading]) -> Reading | None:
    box = reading.face.box
    best = max(others, key=lambda other: other.face.box.iou(box), default=None)
    return best if best is not None and best.face.box.iou(box) > FOUND else None


def flips(readings: Readings) -> dict[str, int]:
    """Changes of the expression and of the label of a face from one frame to the next, over all faces."""
    last: dict[int | None, Reading] = {}
    expression = label = 0
    for each in readings:
        now = {reading.track: reading for reading in each}
        for track in now.keys() & last.keys():
            expression += now[track].expression != last[track].expression
            label += now[track].label != last[track].label
        last = now
    return {"flips": expression, "label_flips": label}
