"""Run as a process of its own: the order's work without a pause, for power to be measured meanwhile.

Says "ready" when warm, begins when it reads a line, and ends with JSON: when it ran (the system's monotonic
clock, seconds) and how many frames or faces it did.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator

from edge.engine import EngineOptions
from edge.errors import FerliteError
from edge.follow import DETECT_EVERY
from edge.pipeline import open_pipeline
from edge.track import Tracker
from measure.end_to_end import detector_options, supply
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
    work = frames(order) if order.source else faces(order)
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
    with open_pipeline(
        order.bundle,
        order.engines[0],
        order.detector,
        engine_options=EngineOptions(threads=order.threads, device=order.device),
        detector_options=detector_options(order),
        tracker=Tracker(),
        detect_every=order.detect_every or DETECT_EVERY,
    ) as pipeline:
        for frame in supply(order.source, pipeline):
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
