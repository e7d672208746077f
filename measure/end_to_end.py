"""The end-to-end scenario: a source's frames through the pipeline that ships, into a sink."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from edge.commands.progress import Progress
from edge.pipeline import Pipeline
from edge.results import FrameReadings
from edge.run import pipeline_of
from edge.sink import Target
from edge.sinks.json_lines import JsonLinesSink
from edge.source import Frame
from measure.footage import Footage
from measure.record import Found, Frames, Stage
from measure.request import Order
from measure.stages import STAGES, Stopwatch
from measure.stats import percentile, summary

WARM_UPS = 10


@dataclass
class _Rows:
    """What each frame cost, in the order they ran, warm-ups among them. Times in milliseconds."""

    stages: list[dict[str, float]] = field(default_factory=list)
    engine_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    faces: list[int] = field(default_factory=list)
    searched: list[bool] = field(default_factory=list)


def end_to_end(order: Order, footage: Footage, watch: Stopwatch | None = None) -> tuple[Frames, Found]:
    """The footage through the timed pipeline into a sink. Raises FerliteError.

    What decoding a frame cost is what it took the source to give it, which was before.
    """
    watch = watch or Stopwatch()
    with pipeline_of(order.settings(), footage.stills, watch.lap, watch.engine) as pipeline:
        sink = JsonLinesSink(Target(os.devnull))
        try:
            frames = _run(order, footage, pipeline, sink, watch)
        finally:
            sink.close()
    chosen = pipeline.chosen
    return frames, Found(chosen.detector, chosen.detectors_skipped)


def through(footage: Footage, pipeline: Pipeline) -> Iterator[tuple[int, Frame]]:
    """The footage's frames and their numbers, over and over: each round is a new source to ``pipeline``."""
    for number in footage.endless():
        if number == 0:
            pipeline.restart()
        yield number, footage.frame(number)


def _run(order: Order, footage: Footage, pipeline: Pipeline, sink: JsonLinesSink, watch: Stopwatch) -> Frames:
    rows = _Rows()
    coming = through(footage, pipeline)
    with Progress("end to end", WARM_UPS + order.frames, "frames") as progress:
        for _ in range(WARM_UPS + order.frames):
            number, frame = next(coming)
            cpu = time.process_time()
            watch.start()
            readings = pipeline(frame.image, frame.time)
            watch.lap("judge")
            height, width = frame.image.shape[:2]
            sink.write(
                frame, FrameReadings(frame.source, frame.index, frame.time, width, height, tuple(readings))
            )
            watch.lap("output")
            cpu = time.process_time() - cpu
            rows.cpu_ms.append(footage.decode_cpu_ms[number] + cpu * 1e3)
            rows.stages.append({**watch.stages, "decode": footage.decode_ms[number]})
            rows.engine_ms.append(watch.engine_ms)
            rows.faces.append(len(readings))
            rows.searched.append(watch.searched)
            progress.advance()
    return _figures(rows, (width, height), pipeline.detect_every, watch.search_engine)


def _figures(rows: _Rows, shape: tuple[int, int], detect_every: int, search_engine: bool) -> Frames:
    """The figures of a run: its first ten frames are warm-ups."""
    totals = [sum(row.values()) for row in rows.stages]
    kept, stages, engine = totals[WARM_UPS:], rows.stages[WARM_UPS:], rows.engine_ms[WARM_UPS:]
    # What the pipeline adds around its engines: reading files and writing results are not its doing.
    added = sum(kept) - sum(row["decode"] + row["output"] for row in stages) - sum(engine)
    return Frames(
        **asdict(summary(kept)),
        frame_px=shape,
        frames=len(kept),
        faces_per_frame=sum(rows.faces[WARM_UPS:]) / len(kept),
        frames_per_second=1e3 * len(kept) / sum(kept),
        cpu_ms_per_frame=sum(rows.cpu_ms[WARM_UPS:]) / len(kept),
        engine_ms_per_frame=sum(engine) / len(kept),
        overhead=added / sum(engine) if search_engine and sum(engine) > 0 else None,
        stages={name: _stage([row[name] for row in stages]) for name in STAGES},
        warm_ups_ms=tuple(totals[:WARM_UPS]),
        raw_ms=tuple(kept),
        raw_engine_ms=tuple(engine),
        raw_faces=tuple(rows.faces[WARM_UPS:]),
        detect_every=detect_every,
        searches=sum(rows.searched[WARM_UPS:]),
    )


def _stage(times: list[float]) -> Stage:
    return Stage(
        median_ms=percentile(times, 0.5),
        p90_ms=percentile(times, 0.9),
        p95_ms=percentile(times, 0.95),
        p99_ms=percentile(times, 0.99),
        mean_ms=sum(times) / len(times),
        raw_ms=tuple(times),
    )
