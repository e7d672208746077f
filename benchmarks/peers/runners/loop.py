"""The loop that every peer runs in: frames from a raw clip, times and findings back, a line of JSON each.

Standard library and numpy only, because it runs in the peers' own environments. A line on standard input
is ``{"clip": path, "first": n, "count": n}``; the answer has each frame's milliseconds, the process's CPU
seconds and the faces.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SHAPE = (480, 640, 3)
BYTES = 480 * 640 * 3
# A face: x, y, width, height in pixels, and its expression or None.
Face = tuple[float, float, float, float, "str | None"]


def serve(read: Callable[[Any, int], list[Face]], begin: Callable[[], object] = lambda: None) -> None:
    """Answer until standard input ends. ``read`` takes a BGR frame and its number.

    ``begin`` is called before frames that do not go on where the last ones ended.
    """
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        order = json.loads(line)
        begin()
        print(json.dumps(_chunk(read, **order)), file=answers, flush=True)


def _chunk(read: Callable[[Any, int], list[Face]], clip: str, first: int, count: int) -> dict[str, Any]:
    times, cpu, faces = [], [], []
    for index in range(first, first + count):
        frame = np.fromfile(clip, np.uint8, BYTES, offset=index * BYTES).reshape(SHAPE)
        began, spent = time.perf_counter(), time.process_time()
        found = read(frame, index)
        cpu.append((time.process_time() - spent) * 1e3)
        times.append((time.perf_counter() - began) * 1e3)
        faces.append([[*map(float, face[:4]), face[4]] for face in found])
    return {"wall_ms": times, "cpu_ms": cpu, "faces": faces}
