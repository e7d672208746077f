"""ferlite as ``ferlite run`` runs it on a video: arguments are bundle, detector model, threads.

A fourth replaces the default of --detect-every.
"""

from __future__ import annotations

import sys
from pathlib import Path

from loop import serve

from edge.detect import DetectorOptions
from edge.engine import EngineOptions
from edge.pipeline import open_pipeline
from edge.run import VIDEO_SIZE
from edge.track import Tracker
from edge.video.follow import DETECT_EVERY

bundle, model, threads = sys.argv[1:4]
every = int(sys.argv[4]) if len(sys.argv) > 4 else DETECT_EVERY
options = EngineOptions(threads=int(threads))
pipeline = open_pipeline(
    bundle,
    engine_options=options,
    detector_options=DetectorOptions(size=VIDEO_SIZE, model=Path(model), engine_options=options),
    tracker=Tracker(),
    detect_every=every,
)


def read(frame, index):
    """The faces of one frame."""
    return [
        (box.x, box.y, box.width, box.height, reading.expression)
        for reading in pipeline(frame, index / 25)
        for box in [reading.face.box]
    ]


serve(read, pipeline.restart)
