"""Watts while nothing runs and while the pipeline does, and what a frame costs in joules.

A run of its own, apart from the timing: reading a sensor takes time too (MLPerf Tiny keeps them apart for
the same reason). Without a sensor there is no figure, and never an estimate.
"""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from boards import sensors
from boards.errors import BoardsError
from boards.errors import UsageError as BoardsUsageError
from boards.sensor import Sensor
from edge.commands.progress import Progress
from edge.errors import ToolchainError, UsageError
from measure import child
from measure.record import Power
from measure.request import Order, to_text

FEWEST_SAMPLES = 5
WORK = "the process whose power was to be measured"


class Sample(NamedTuple):
    """``watts`` read at ``when``; ``span`` seconds since the sample before."""

    when: float
    span: float
    watts: float


def choose(wanted: str, root: str | Path = "/") -> Sensor | str:
    """The sensor to use, or the sentence that says why there is none. Raises UsageError, ToolchainError."""
    if wanted == "none":
        return "not asked for"
    try:
        sensor = sensors.find(wanted, root)
    except BoardsUsageError as error:
        raise UsageError(str(error)) from error
    except BoardsError as error:
        raise ToolchainError(str(error)) from error
    return sensor if sensor is not None else sensors.not_measurable(root)


def measure(order: Order, sensor: Sensor | str) -> Power | str:
    """Idle and running watts of the order's one engine, or why there are none. Raises ToolchainError."""
    if isinstance(sensor, str):
        return sensor
    seconds = max(order.power_seconds, sensor.window_s)
    try:
        idle = while_idle(sensor, seconds)
        running, work = while_running(sensor, dataclasses.replace(order, power_seconds=seconds))
    except BoardsError as error:
        raise ToolchainError(str(error)) from error
    return figures(sensor, idle, running, work, "frame" if order.footage else "face")


def figures(
    sensor: Sensor, idle: Sequence[Sample], running: Sequence[Sample], work: dict[str, float], unit: str
) -> Power:
    """The record. Raises ToolchainError where there are too few samples to speak of a mean."""
    for name, samples in (("idle", idle), ("running", running)):
        if len(samples) < FEWEST_SAMPLES:
            raise ToolchainError(
                f"sensor '{sensor.name}' gave {len(samples)} values while {name}, and {FEWEST_SAMPLES} are "
                "the least for a mean: measure for longer (--power-seconds)"
            )
    rate = work["count"] / (work["ended"] - work["began"])
    still, busy = mean(idle), mean(running)
    return Power(
        unit=unit,
        sensor=sensor.name,
        covers=sensor.covers,
        leaves_out=sensor.leaves_out,
        idle_w=still,
        running_w=busy,
        per_second=rate,
        joules_each=busy / rate,
        joules_each_above_idle=(busy - still) / rate,
        per_second_per_watt=rate / busy if busy > 0 else None,
        samples_per_second=len(running) / sum(sample.span for sample in running),
        idle_seconds=sum(sample.span for sample in idle),
        running_seconds=work["ended"] - work["began"],
        raw_idle_w=tuple(sample.watts for sample in idle),
        raw_running_w=tuple(sample.watts for sample in running),
    )


def mean(samples: Sequence[Sample]) -> float:
    """Watts weighted by the time each sample stands for."""
    return sum(sample.watts * sample.span for sample in samples) / sum(sample.span for sample in samples)


def while_idle(sensor: Sensor, seconds: float) -> list[Sample]:
    """Samples of a machine that this program leaves alone."""
    end = time.monotonic() + seconds
    return sample_until(sensor, lambda: time.monotonic() >= end, "power, idle", seconds)


def while_running(sensor: Sensor, order: Order) -> tuple[list[Sample], dict[str, float]]:
    """Samples that lie whole within the time that the work ran, and the account of the work."""
    with subprocess.Popen(
        child.module("measure.under_load"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child.surroundings(),
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(to_text(order) + "\n")
            process.stdin.flush()
            said = process.stdout.readline()
            if said.strip() != "ready":
                child.answer(said, WORK)
                raise ToolchainError(f"{WORK} did not begin")
            process.stdin.write("go\n")
            process.stdin.flush()
            samples = sample_until(
                sensor, lambda: process.poll() is not None, "power, running", order.power_seconds
            )
            told = process.stdout.read()
        finally:
            process.kill()
    work = child.answer(told, WORK)
    inside = [s for s in samples if s.when - s.span >= work["began"] and s.when <= work["ended"]]
    return inside, work


def sample_until(sensor: Sensor, done: Callable[[], bool], what: str, seconds: float) -> list[Sample]:
    """Read the sensor at its own pace until ``done``. Raises SensorFailed."""
    pause = 1 / sensor.rate_hz
    sensor.watts()  # a counter counts from here
    samples, last = [], time.monotonic()
    due = last + pause
    with Progress(what, round(seconds * sensor.rate_hz), "samples") as progress:
        while not done():
            time.sleep(max(0.0, due - time.monotonic()))
            watts, now = sensor.watts(), time.monotonic()
            samples.append(Sample(now, now - last, watts))
            last, due = now, max(due + pause, now)
            progress.advance(note=f"{watts:.2f} W")
    return samples
