"""Run as a process of its own for each engine: every scenario, timed, as one JSON object on standard output.

The scenarios follow MLPerf Inference's edge division: single-stream (one query of one face after the other),
multi-stream (queries of N faces), offline (all faces at hand, the engine takes them as it likes best), and
end to end, which is the whole product from a source's frame to a written reading.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from boards import telemetry
from boards.root_tree import Tree
from edge.commands.progress import Progress
from edge.errors import FerliteError, ToolchainError
from edge.strict import fill
from measure import footage
from measure.end_to_end import end_to_end
from measure.machine import Moment
from measure.network_alone import FaceReader
from measure.record import Found, Frames, Queries
from measure.request import MOST_QUERIES, Order, from_text
from measure.stats import summary

WARM_UPS, WARM_SECONDS, FEWEST = 10, 0.2, 64


@dataclass(frozen=True)
class Outcome:
    """What one engine's process hands back; ``watched``: a look at the board after each scenario."""

    queries: dict[str, Queries]
    watched: tuple[Moment, ...]
    frames: Frames | None = None
    chosen: Found | None = None


def main() -> int:
    """Read an order from standard input, measure its one engine, print the outcome or what went wrong."""
    order = from_text(sys.stdin.read())
    try:
        told = asdict(measure(order))
    except FerliteError as error:
        told = {"error": str(error)}
    print(json.dumps(told))
    return 0


def outcome(table: dict[str, Any]) -> Outcome:
    """What ``main`` printed. Raises ToolchainError."""
    return fill(Outcome, table, "the measuring process", ToolchainError)


def measure(order: Order) -> Outcome:
    """All scenarios of the order's one engine. Raises FerliteError."""
    queries: dict[str, Queries] = {}
    watched = []
    with FaceReader(order) as classify:
        crops = classify.faces(max(order.faces, order.batch))
        for name, count in (("single-stream", 1), ("multi-stream", order.faces), ("offline", order.batch)):
            queries[name] = _queries(name, partial(classify, crops[:count]), count, order.seconds)
            watched.append(_look())
    if not order.footage:
        return Outcome(queries, tuple(watched))
    frames, chosen = end_to_end(order, footage.load(order.footage))
    return Outcome(queries, (*watched, _look()), frames, chosen)


def _look() -> Moment:
    return Moment(**asdict(telemetry.read(Tree())))


def _queries(name: str, query: Callable[[], object], count: int, seconds: float) -> Queries:
    """Time ``query`` (of ``count`` faces) for ``seconds`` and at least 64 times, after warm-ups."""
    warm_ups = _until(query, WARM_UPS, WARM_SECONDS, None)
    cpu = time.process_time()
    with Progress(name, unit="queries") as progress:
        times = _until(query, FEWEST, seconds, progress)
    cpu = time.process_time() - cpu
    return Queries(
        **asdict(summary(times)),
        faces_per_query=count,
        queries=len(times),
        faces_per_second=1e3 * count * len(times) / sum(times),
        cpu_ms_per_face=1e3 * cpu / (count * len(times)),
        warm_ups_ms=tuple(warm_ups),
        raw_ms=tuple(times),
    )


def _until(
    query: Callable[[], object], fewest: int, seconds: float, progress: Progress | None
) -> list[float]:
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < fewest or (time.perf_counter() - began < seconds and len(times) < MOST_QUERIES):
        start = time.perf_counter()
        query()
        times.append((time.perf_counter() - start) * 1e3)
        if progress is not None:
            progress.advance()
    return times


if __name__ == "__main__":
    raise SystemExit(main())
