"""How long a run is without its engine when that hangs or dies: python -m benchmarks.supervision.

The engine's process is stopped (SIGSTOP: it hangs) or killed in turn, for real, and the next frame that is
read ends the gap. Restarts are not held back here: a storm is what the benchmark makes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from dataclasses import asdict
from pathlib import Path

import cv2

from benchmarks.record import origin, save
from edge.commands.progress import Progress
from edge.errors import FrameLost
from edge.isolate import parent
from edge.isolate.parent import Isolated
from edge.settings import RunSettings
from measure import machine


def main() -> None:
    given = arguments()
    parent.STORM = given.times + 1
    picture = cv2.imread(str(given.photo))
    gaps: dict[str, list[float]] = {"hung": [], "killed": []}
    settings = RunSettings(bundle=given.bundle, threads=1)
    with Isolated(settings, stills=True, patience=given.watchdog) as pipeline:
        expected = pipeline(picture)
        with Progress("restarting", given.times, "times") as progress:
            for index in range(given.times):
                kind = ("hung", "killed")[index % 2]
                assert pipeline.pid is not None
                os.kill(pipeline.pid, signal.SIGSTOP if kind == "hung" else signal.SIGKILL)
                began = time.monotonic()
                gaps[kind].append(until_read(pipeline, picture, expected) - began)
                progress.advance()
        restarts = pipeline.restarts
    bound = given.watchdog + 2
    record = {
        **origin("benchmarks.supervision"),
        "machine": {**asdict(machine.here()), **asdict(machine.moment())},
        "watchdog_s": given.watchdog,
        "restarts": restarts,
        "within_bound": sum(gap <= bound for each in gaps.values() for gap in each),
        "bound_s": bound,
        "gaps_s": {kind: [round(gap, 3) for gap in each] for kind, each in gaps.items()},
    }
    print(json.dumps(record, indent=1))
    save(record, given.record)


def until_read(pipeline: Isolated, picture: cv2.typing.MatLike, expected: object) -> float:
    """When a frame is read again, and as before."""
    while True:
        try:
            if pipeline(picture) != expected:
                raise SystemExit("a restarted engine reads otherwise")
        except FrameLost:
            continue
        return time.monotonic()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--photo", type=Path, required=True, help="a picture with a face")
    parser.add_argument("--bundle", default="")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--watchdog", type=float, default=1.0, help="seconds a frame may take")
    parser.add_argument("--record", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
