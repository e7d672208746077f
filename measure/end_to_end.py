"""The end-to-end scenario: a source's frames through the pipeline that ships, into a sink."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.detect import DetectorOptions
from edge.engine import EngineOptions
from edge.errors import FerliteError, ToolchainError
from edge.follow import DETECT_EVERY
from edge.pipeline import Pipeline, open_pipeline
from edge.progress import Progress
from edge.results import FrameReadings
from edge.run import STILL_SIZE, VIDEO_SIZE
from edge.sink import Target
from edge.sinks.json_lines import JsonLinesSink
from edge.source import Frame, open_source
from measure.request import Order
from measure.stages import STAGES, Stopwatch, TimedPipeline, timed_engines
from measure.stats import percentile, summary

WARM_UPS = 10


def end_to_end(order: Order, watch: Stopwatch | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The source's frames through the timed pipeline into a sink. Raises FerliteError."""
    watch = watch or Stopwatch()
    with timed_engines(watch), open_pipeline(
        order.bundle, order.engines[0], order.detector,
        engine_options=EngineOptions(threads=order.threads, device=order.device),
        detector_options=detector_options(order),
        detect_every=order.detect_every or DETECT_EVERY,
    ) as plain:  # fmt: skip
        pipeline = TimedPipeline(plain, watch)
        sink = JsonLinesSink(Target(os.devnull))
        try:
            result = _frames(order, pipeline, sink, watch)
        finally:
            sink.close()
    chosen = pipeline.chosen
    return result, {"detector": chosen.detector, "detector_skipped": chosen.detectors_skipped}


def _frames(order: Order, pipeline: TimedPipeline, sink: JsonLinesSink, watch: Stopwatch) -> dict[str, Any]:
    rows: list[dict[str, float]] = []
    totals, engine_ms, counts, cpu_ms = [], [], [], []
    searched: list[bool] = []
    with Progress("end to end", WARM_UPS + order.frames, "frames") as progress:
        coming = supply(order.source, pipeline)
        for _ in range(WARM_UPS + order.frames):
            cpu = time.process_time()
            watch.start()
            frame = next(coming)
            watch.lap("decode")
            readings = pipeline(frame.image, frame.time)
            watch.lap("judge")
            height, width = frame.image.shape[:2]
            sink.write(
                frame, FrameReadings(frame.source, frame.index, frame.time, width, height, tuple(readings))
            )
            watch.lap("output")
            cpu_ms.append((time.process_time() - cpu) * 1e3)
            rows.append(watch.stages)
            totals.append(sum(watch.stages.values()))
            engine_ms.append(watch.engine_ms)
            searched.append(watch.searched)
            counts.append(len(readings))
            progress.advance()
    figures = _frame_figures(rows, totals, engine_ms, counts, cpu_ms, (width, height))
    figures["detect_every"], figures["searches"] = pipeline.detect_every, sum(searched[WARM_UPS:])
    if not watch.search_engine:
        figures["overhead"] = None  # the detector runs in no engine: its whole work would count as overhead
    return figures


def _frame_figures(
    rows: list[dict[str, float]], totals: list[float], engine_ms: list[float], counts: list[int],
    cpu_ms: list[float], shape: tuple[int, int],
) -> dict[str, Any]:  # fmt: skip
    """The record of an end-to-end run: its first ten frames are warm-ups."""
    warm, kept = totals[:WARM_UPS], totals[WARM_UPS:]
    stages = {}
    for stage in STAGES:
        times = [row[stage] for row in rows[WARM_UPS:]]
        marks = {"median_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99}
        stages[stage] = {
            **{name: percentile(times, share) for name, share in marks.items()},
            "mean_ms": sum(times) / len(times),
            "raw_ms": times,
        }
    engine = engine_ms[WARM_UPS:]
    # What the pipeline adds around its engines: reading files and writing results are not its doing.
    added = sum(kept) - sum(row["decode"] + row["output"] for row in rows[WARM_UPS:]) - sum(engine)
    return {
        "frame_px": shape,
        "frames": len(kept),
        "faces_per_frame": sum(counts[WARM_UPS:]) / len(kept),
        **asdict(summary(kept)),
        "frames_per_second": 1e3 * len(kept) / sum(kept),
        "cpu_ms_per_frame": sum(cpu_ms[WARM_UPS:]) / len(kept),
        "engine_ms_per_frame": sum(engine) / len(kept),
        "overhead": added / sum(engine) if sum(engine) else None,
        "stages": stages,
        "warm_ups_ms": warm,
        "raw_ms": kept,
        "raw_engine_ms": engine,
        "raw_faces": counts[WARM_UPS:],
    }


def detector_options(order: Order) -> DetectorOptions:
    """The detector's options, its frame size by what the source is, as ``ferlite run`` has it."""
    source = open_source(order.source)
    size = STILL_SIZE if source.stills else VIDEO_SIZE
    source.close()
    return DetectorOptions(
        size=order.detect_size or size,
        model=Path(order.detector_model) if order.detector_model else None,
        engine=order.detector_engine,
        engine_options=EngineOptions(threads=order.threads),
    )


def supply(spec: str, pipeline: Pipeline) -> Iterator[Frame]:
    """The source's frames, over and over. Raises SourceError; ToolchainError where it has none."""
    while True:
        source = open_source(spec)
        pipeline.restart()
        count = 0
        try:
            for frame in source.frames():
                if isinstance(frame, FerliteError):
                    raise frame
                count += 1
                yield frame
        finally:
            source.close()
        if not count:
            raise ToolchainError(f"source '{spec}' gives no frames")
