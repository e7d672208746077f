"""ferlite's runtime: faces in a frame, and a weight for every expression.

    import cv2, edge
    with edge.open_pipeline() as pipeline:
        for reading in pipeline(cv2.imread("photo.jpg")):
            print(reading.label, reading.weights)

Start reading at ``edge.pipeline``. Importing this loads neither OpenCV nor an inference library.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from edge.threads import default_threads

# OpenCV reads these when it is loaded, so they are set before anything here can load it. A picture of
# 0.3 MB can unpack to 2 GB; and a damaged video should be ferlite's sentence, not FFmpeg's chatter.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**25))
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# A camera that hangs must be let go of before it can be opened again: not after OpenCV's ten seconds.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")
# ONNX Runtime's Linux wheels report each session to their maker, from 1.29 on, unless told not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if _threads := default_threads():  # under a CPU quota OpenCV's own count would be too many
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", str(_threads))

if TYPE_CHECKING:
    from edge.pipeline import Pipeline as Pipeline
    from edge.pipeline import open_pipeline as open_pipeline
    from edge.results import Box as Box
    from edge.results import Face as Face
    from edge.results import Reading as Reading

_HOME = {
    "Pipeline": "edge.pipeline",
    "open_pipeline": "edge.pipeline",
    "Box": "edge.results",
    "Face": "edge.results",
    "Reading": "edge.results",
}
__all__ = ["Box", "Face", "Pipeline", "Reading", "open_pipeline"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'edge' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
