"""Cameras and videos on the network: RTSP, HTTP, UDP and their kin."""

from __future__ import annotations

import os
import re

import cv2

from edge.address import masked
from edge.errors import SourceError
from edge.source import Source
from edge.sources.capture import open_capture
from edge.sources.live import LiveSource
from edge.sources.video import VideoSource

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "udp", "tcp", "rtp", "srt")
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def claims(spec: str) -> bool:
    """An address with a scheme, unless a file has that very name."""
    return bool(_ADDRESS.match(spec)) and not os.path.exists(spec)  # noqa: PTH110 - raises for long names


def source(spec: str) -> Source:
    """What is sent from there: a video that ends, or a camera that does not. Raises SourceError."""
    scheme, _, rest = spec.partition("://")
    name, scheme = masked(spec), scheme.lower()
    if scheme not in SCHEMES:
        known = ", ".join(f"{each}://" for each in SCHEMES)
        raise SourceError(f"source '{name}': unknown protocol '{scheme}': choose {known}")
    try:
        capture = open_capture(name, f"{scheme}://{rest}", cv2.CAP_FFMPEG)
    except SourceError as error:
        raise SourceError(_unanswered(name, scheme)) from error
    if capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        return VideoSource(name, capture)
    return LiveSource(name, capture)


def _unanswered(name: str, scheme: str) -> str:
    advice = {
        "srt": "; OpenCV's wheels have no SRT: send rtsp:// or udp://, or use the system's python3-opencv",
        "rtp": "; RTP alone says nothing of its codec: send MPEG-TS in it, or use rtsp://",
    }
    return f"'{name}' cannot be opened: nothing answers there, or sends no video{advice.get(scheme, '')}"
