"""ferlite as ``ferlite run`` runs it on a video: arguments are bundle, detector model, threads.

A fourth replaces the default of --detect-every.
"""

from __future__ import annotations

import sys
from pathlib import Path

from loop import serve

from edge.memory import one_arena
from edge.run import pipeline_of
from edge.settings import RunSettings

bundle, model, threads = sys.argv[1:4]
every = int(sys.argv[4]) if len(sys.argv) > 4 else 0
settings = RunSettings(bundle=bundle, detector_model=Path(model), threads=int(threads), detect_every=every)
one_arena()
pipeline = pipeline_of(settings, stills=False)


def read(frame, index):
    """The faces of one frame."""
    return [
        (box.x, box.y, box.width, box.height, reading.expression)
        for reading in pipeline(frame, index / 25)
        for box in [reading.face.box]
    ]


serve(read, pipeline.restart)
