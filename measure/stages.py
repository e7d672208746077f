"""Where a frame's time goes, taken at the joints of the pipeline itself.

The pipeline that is timed is the one that ships: its detector, classifier and tracker are wrapped, and every
engine is wrapped as it is loaded. A stage lasts from one joint to the next, so the stages of a frame add up
to the frame and nothing in between can hide.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edge import engine as engines
from edge.align import Image
from edge.classify import Classifier, Weights
from edge.detect import Detector
from edge.engine import Array, Engine, EngineOptions, ModelFile, Tensor
from edge.flow import Flow
from edge.follow import Follower
from edge.pipeline import Pipeline
from edge.results import Box, Face
from edge.track import Tracker

# "follow": looking where faces went since the last search, and at the frame of a search for the next one.
# "judge": naming the heaviest expression and asking whether it is to be doubted.
STAGES = ("decode", "detect", "follow", "align", "classify", "track", "judge", "output")
SEARCHED, FOLLOWED, CUT, CLASSIFIED, TRACKED = "detect", "follow", "align", "classify", "track"


class Stopwatch:
    """Collects the current frame's stages in milliseconds.

    ``engine_ms`` is the share inside engines; ``searched``: the frame was searched for faces;
    ``search_engine``: that was ever done by an engine.
    """

    def __init__(self) -> None:
        self.stages = dict.fromkeys(STAGES, 0.0)
        self.engine_ms = 0.0
        self.searched = self.search_engine = False
        self._last = 0.0

    def start(self) -> None:
        """A frame begins."""
        self.stages = dict.fromkeys(STAGES, 0.0)
        self.engine_ms, self.searched = 0.0, False
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """What passed since the last joint belongs to ``stage``."""
        now = time.perf_counter()
        self.stages[stage] += (now - self._last) * 1e3
        self._last = now


class _Detector:
    def __init__(self, inner: Detector, watch: Stopwatch) -> None:
        self._inner, self._watch, self.scores = inner, watch, inner.scores

    def __call__(self, frame: Image) -> Sequence[Face]:
        faces = self._inner(frame)
        self._watch.lap(SEARCHED)
        self._watch.searched = True
        self._watch.search_engine |= self._watch.engine_ms > 0
        return faces

    def close(self) -> None:
        self._inner.close()


class _Classifier(Classifier):
    def __init__(self, inner: Classifier, watch: Stopwatch) -> None:
        self.labels = inner.labels
        self._inner, self._watch = inner, watch

    def __call__(self, crops: Sequence[Image]) -> Weights:
        # Between the detector's end and this call the pipeline does nothing but align.
        self._watch.lap(CUT)
        weights = self._inner(crops)
        self._watch.lap(CLASSIFIED)
        return weights

    def close(self) -> None:
        self._inner.close()


class _Tracker(Tracker):
    """The pipeline's own tracker, whose last step of a frame ends the stage."""

    def __init__(self, watch: Stopwatch, smooth: float) -> None:
        super().__init__(smooth=smooth)
        self._watch = watch

    def assign(self, boxes: Sequence[Box], now: float) -> list[int]:
        numbers = super().assign(boxes, now)
        self._watch.lap(TRACKED)
        return numbers

    def smooth(self, number: int, weights: Weights, now: float) -> Weights:
        calmer = super().smooth(number, weights, now)
        self._watch.lap(TRACKED)
        return calmer


class _Flow(Flow):
    def __init__(self, watch: Stopwatch) -> None:
        super().__init__()
        self._watch = watch

    def remember(self, frame: Image, faces: Sequence[Face]) -> None:
        super().remember(frame, faces)
        self._watch.lap(FOLLOWED)

    def follow(self, frame: Image, faces: Sequence[Face]) -> list[Face] | None:
        moved = super().follow(frame, faces)
        self._watch.lap(FOLLOWED)
        return moved


class _Engine:
    def __init__(self, inner: Engine, watch: Stopwatch) -> None:
        self._inner, self._watch = inner, watch

    @property
    def inputs(self) -> Sequence[Tensor]:
        return self._inner.inputs

    @property
    def outputs(self) -> Sequence[Tensor]:
        return self._inner.outputs

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        began = time.perf_counter()
        results = self._inner.run(arrays)
        self._watch.engine_ms += (time.perf_counter() - began) * 1e3
        return results

    def close(self) -> None:
        self._inner.close()


class TimedPipeline(Pipeline):
    """A pipeline made of another's parts, each of which tells ``watch`` when it is done."""

    def __init__(self, pipeline: Pipeline, watch: Stopwatch, smooth: float = 0.4) -> None:
        super().__init__(
            pipeline.bundle,
            _Detector(pipeline._detector, watch),
            _Classifier(pipeline._classifier, watch),
            pipeline.chosen,
            _Tracker(watch, smooth),
            pipeline.detect_every,
        )
        self._follower = Follower(self._search, self.detect_every, _Flow(watch))


@contextmanager
def timed_engines(watch: Stopwatch) -> Iterator[None]:
    """For as long as the block runs, every engine that anything loads adds its time to ``watch``.

    Detectors load engines when they first see a frame's shape, so the block must hold the whole run.
    """
    load = engines.load

    def timed(name: str, model: ModelFile, options: EngineOptions) -> Engine:
        return _Engine(load(name, model, options), watch)

    engines.load = timed
    try:
        yield
    finally:
        engines.load = load
