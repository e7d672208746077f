"""How fast one form of a model is against another on this machine: int8 against float.

The two models run in turns, so that whatever else the machine does falls on both; what is gated is their
ratio, never a time. It is taken of the tenth of the runs that other work disturbed least: on a busy machine
a median tells more of its scheduler than of the models.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from edge import engine as engines
from edge.bundle_files.sections import InputSpec
from edge.classify import to_input
from edge.engine import Array, Engine, EngineOptions, ModelFile
from measure.stats import percentile, spread


class Runnable(Protocol):
    """A model as an engine takes it: file contents by suffix, axis order of its input, and its precision."""

    @property
    def parts(self) -> Mapping[str, bytes]:
        """File suffix, with the dot, to content."""

    @property
    def layout(self) -> Literal["NCHW", "NHWC"]:
        """Order of the input's axes."""

    @property
    def precision(self) -> str:
        """What its layers compute in, for messages."""


WARM_UPS, ROUNDS, RUNS = 20, 30, 10
# Rounds whose ratios spread wider than this (middle half, over the median) are called unstable.
UNSTABLE = 0.15


@dataclass(frozen=True)
class Race:
    """Two models of one network in one engine, batch 1; times in milliseconds.

    ``ratio``: int8's tenth percentile over float's. ``ratios`` has int8's fastest run over float's for each
    round; ``spread`` is their interquartile range over their median. ``machine``: the processor, where it was
    not that of the build.
    """

    threads: int
    runs: int
    float_ms: float
    float_p10_ms: float
    float_p95_ms: float
    int8_ms: float
    int8_p10_ms: float
    int8_p95_ms: float
    ratio: float
    spread: float
    stable: bool
    ratios: tuple[float, ...]
    machine: str = ""


def race(name: str, plain: Runnable, quantized: Runnable, spec: InputSpec, threads: int = 1) -> Race:
    """Time both in engine ``name``, in turns of ten runs. Raises EngineError."""
    pair = [_load(name, built, threads) for built in (plain, quantized)]
    inputs = [face_input(engine, built, spec) for engine, built in zip(pair, (plain, quantized), strict=True)]
    times: list[list[list[float]]] = [[], []]
    try:
        for engine, array in zip(pair, inputs, strict=True):
            time_runs(engine, array, WARM_UPS)
        for _ in range(ROUNDS):
            for index in (0, 1):
                # The first run after the other model finds that model's weights in the caches.
                times[index].append(time_runs(pair[index], inputs[index], RUNS + 1)[1:])
    finally:
        for engine in pair:
            engine.close()
    first, second = (np.array(each) * 1e3 for each in times)
    ratios = (second.min(axis=1) / first.min(axis=1)).tolist()
    float_ms, int8_ms = (
        [round(percentile(each.ravel().tolist(), share), 4) for share in (0.1, 0.5, 0.95)]
        for each in (first, second)
    )
    wide = spread(ratios)
    return Race(
        threads=threads,
        runs=ROUNDS * RUNS,
        float_ms=float_ms[1],
        float_p10_ms=float_ms[0],
        float_p95_ms=float_ms[2],
        int8_ms=int8_ms[1],
        int8_p10_ms=int8_ms[0],
        int8_p95_ms=int8_ms[2],
        ratio=round(int8_ms[0] / float_ms[0], 4),
        spread=round(wide, 4),
        stable=wide <= UNSTABLE,
        ratios=tuple(round(float(value), 4) for value in ratios),
    )


def _load(name: str, built: Runnable, threads: int) -> Engine:
    return engines.load(
        name, ModelFile(f"{name} {built.precision}", built.parts), EngineOptions(threads=threads)
    )


def face_input(engine: Engine, built: Runnable, spec: InputSpec) -> Array:
    """What the runtime would feed the engine of one face: grain, always the same."""
    shape = (spec.size, spec.size) if spec.channels == 1 else (spec.size, spec.size, spec.channels)
    levels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    return to_input([levels], spec, built.layout, engine.inputs[0].dtype)


def time_runs(
    engine: Engine, array: Array, count: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Seconds of each of ``count`` runs, by ``clock``."""
    inputs, times = [array, *told(engine)], []
    for _ in range(count):
        began = clock()
        engine.run(inputs)
        times.append(clock() - began)
    return times


def told(engine: Engine) -> list[Array]:
    """Something for each input beside the face, of one face: its values change neither time nor memory."""
    return [np.full([size or 1 for size in each.shape], 0.5, np.float32) for each in engine.inputs[1:]]
