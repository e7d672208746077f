"""GStreamer pipelines, where OpenCV was built with them."""

from __future__ import annotations

import cv2

from edge.errors import SourceError
from edge.sources.address import masked
from edge.sources.capture import open_capture
from edge.sources.live import LiveSource


def claims(spec: str) -> bool:
    """Elements joined by "!"."""
    return " ! " in spec


def source(spec: str) -> LiveSource:
    """The pipeline, started. Raises SourceError."""
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise SourceError(
            "this OpenCV has no GStreamer (the wheels never do): use the system's python3-opencv, "
            "or a camera number or address instead of a pipeline"
        )
    name = masked(spec)
    return LiveSource(name, lambda: open_capture(name, spec, cv2.CAP_GSTREAMER), endless=False)
