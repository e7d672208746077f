"""Cameras and videos on the network: RTSP, HTTP, UDP and their kin."""

from __future__ import annotations

import base64
import os
import re
from urllib.parse import unquote, urlsplit

import cv2

from edge.errors import SourceError
from edge.source import Source
from edge.sources.address import masked
from edge.sources.capture import open_capture
from edge.sources.live import LiveSource
from edge.sources.video import VideoSource

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "udp", "tcp", "rtp", "srt")
# A camera that is back must be found soon, so no attempt may wait long for one that is not.
TIMEOUT_MS = 2000
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
    address = f"{scheme}://{rest}"
    try:
        first = open_capture(name, address, cv2.CAP_FFMPEG)
    except SourceError as error:
        raise SourceError(_unanswered(name, scheme)) from error
    if first.get(cv2.CAP_PROP_FRAME_COUNT) > 0 or (scheme in ("http", "https") and _is_file(address)):
        return VideoSource(name, first, lambda frames: _missing_part(name, address, first, frames))
    openings = iter([first])

    def opener() -> cv2.VideoCapture:
        return next(openings, None) or open_capture(name, address, cv2.CAP_FFMPEG, TIMEOUT_MS)

    return LiveSource(name, opener)


def _is_file(address: str) -> bool:
    """Whether an HTTP server says how many bytes there are: of a camera there is no number."""
    import urllib.request  # with TLS and all, 3 MB that no file and no camera needs
    from http.client import HTTPException

    parts = urlsplit(address)
    request = urllib.request.Request(
        parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), method="HEAD"
    )
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_MS / 1000) as answer:
            length, kind = answer.headers.get("Content-Length", ""), answer.headers.get_content_maintype()
    except (OSError, HTTPException, ValueError):
        return False
    return bool(length.isdecimal() and int(length) > 0 and kind != "multipart")


def _missing_part(name: str, address: str, capture: cv2.VideoCapture, frames: int) -> str:
    """Why a video that ended early ended; "" where it was only promised too much.

    The promised number of frames is no fact, but with far fewer the server is asked whether it is there.
    """
    if frames >= 0.9 * capture.get(cv2.CAP_PROP_FRAME_COUNT) - 2:
        return ""
    try:
        open_capture(name, address, cv2.CAP_FFMPEG, TIMEOUT_MS).release()
    except SourceError:
        return "nothing answers there any more"
    return ""


def _unanswered(name: str, scheme: str) -> str:
    advice = {
        "srt": "; OpenCV's wheels have no SRT: send rtsp:// or udp://, or use the system's python3-opencv",
        "rtp": "; RTP alone says nothing of its codec: send MPEG-TS in it, or use rtsp://",
    }
    return f"'{name}' cannot be opened: nothing answers there, or sends no video{advice.get(scheme, '')}"
