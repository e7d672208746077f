"""How fast int8 is against float on this machine, and what a model costs in memory.

The two models run in turns, so that whatever else the machine does falls on both; what is gated is their
ratio, never a time. It is taken of the tenth of the runs that other work disturbed least: on a busy machine
a median tells more of its scheduler than of the models.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge import engine as engines
from edge.bundle_sections import InputSpec
from edge.classify import to_input
from edge.engine import Array, Engine, EngineOptions, ModelFile
from edge.errors import BuildFailed
from quantize.builder import Built
from quantize.cpu import cpu_name

WARM_UPS, ROUNDS, RUNS = 20, 30, 10
# Rounds whose ratios spread wider than this (middle half, over the median) are called unstable.
UNSTABLE = 0.15


@dataclass(frozen=True)
class Race:
    """Two models of one network in one engine, batch 1; times in milliseconds.

    ``ratio``: int8's tenth percentile over float's. ``ratios`` has int8's fastest run over float's for each
    round; ``spread`` is their interquartile range over their median.
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


def race(name: str, plain: Built, quantized: Built, spec: InputSpec, threads: int = 1) -> Race:
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
    ratios = second.min(axis=1) / first.min(axis=1)
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    spread = float((high - low) / middle)
    float_ms, int8_ms = (np.percentile(each, [10, 50, 95]).round(4).tolist() for each in (first, second))
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
        spread=round(spread, 4),
        stable=spread <= UNSTABLE,
        ratios=tuple(round(float(value), 4) for value in ratios),
    )


def peak_rss(name: str, built: Built, spec: InputSpec) -> float:
    """Peak memory in MiB of a process that loads the engine's library and the model and runs one face."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix, content in built.parts.items():
            (Path(folder) / f"model{suffix}").write_bytes(content)
        place = str(Path(__file__).parent.parent)
        command = [sys.executable, "-m", "quantize.footprint", name, folder, built.layout, str(spec.size)]
        command.append(str(spec.channels))
        environment = {**os.environ, "PYTHONPATH": place}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, timeout=300
        )
    if done.returncode != 0:
        reason = done.stderr.strip().split("\n")[-1]
        raise BuildFailed(f"engine '{name}' could not be measured in a process of its own: {reason}")
    return float(done.stdout)


def machine() -> dict[str, Any]:
    """What the figures were taken on, and what else it was doing."""
    return {
        "machine": platform.machine(),
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _load(name: str, built: Built, threads: int) -> Engine:
    return engines.load(
        name, ModelFile(f"{name} {built.precision}", built.parts), EngineOptions(threads=threads)
    )


def face_input(engine: Engine, built: Built, spec: InputSpec) -> Array:
    """What the runtime would feed the engine of one face: grain, always the same."""
    shape = (spec.size, spec.size) if spec.channels == 1 else (spec.size, spec.size, spec.channels)
    levels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    return to_input([levels], spec, built.layout, engine.inputs[0].dtype)


def time_runs(
    engine: Engine, array: Array, count: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Seconds of each of ``count`` runs, by ``clock``."""
    times = []
    for _ in range(count):
        began = clock()
        engine.run([array])
        times.append(clock() - began)
    return times


def _first_line(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None
