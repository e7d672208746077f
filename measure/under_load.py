"""Run as a process of its own: the order's work without a pause, for power to be measured meanwhile.

Says "ready" when warm, begins when it reads a line, and ends with JSON: when it ran (the system's monotonic
clock, seconds) and how many frames or faces it did.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator

from edge.errors import FerliteError
from edge.run import pipeline_of
from measure import footage
from measure.end_to_end import through
from measure.network_alone import FaceReader
from measure.request import Order, from_text

WARM_UPS = 10


def main() -> int:
    """One order from standard input; progress is the parent's business."""
    order = from_text(sys.stdin.readline())
    try:
        print(json.dumps(_run(order)))
    except FerliteError as error:
        print(json.dumps({"error": str(error)}))
    return 0


def _run(order: Order) -> dict[str, float]:
    work = frames(order) if order.footage else faces(order)
    for _ in range(WARM_UPS):
        next(work)
    print("ready", flush=True)
    sys.stdin.readline()
    count, began = 0, time.monotonic()
    while time.monotonic() - began < order.power_seconds:
        next(work)
        count += 1
    ended = time.monotonic()
    work.close()
    return {"began": began, "ended": ended, "count": count}


def frames(order: Order) -> Generator[None, None, None]:
    """The whole pipeline, a frame at each step."""
    shown = footage.load(order.footage)
    with pipeline_of(order.settings(), shown.stills) as pipeline:
        for _, frame in through(shown, pipeline):
            pipeline(frame.image, frame.time)
            yield


def faces(order: Order) -> Generator[None, None, None]:
    """The network alone, a face at each step."""
    with FaceReader(order) as classify:
        crops = classify.faces(1)
        while True:
            classify(crops)
            yield


if __name__ == "__main__":
    raise SystemExit(main())
