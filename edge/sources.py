"""Where frames come from: pictures, videos, cameras, streams."""

from __future__ import annotations

import glob
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from edge.align import Image
from edge.errors import FerliteError, SourceError
from edge.images import SUFFIXES, read_image

OPEN_TIMEOUT_MS = 5000
STREAMS = ("rtsp://", "rtsps://", "rtmp://", "http://", "https://", "udp://", "tcp://")


@dataclass(frozen=True)
class Frame:
    """One picture. ``image`` uint8 [H, W, 3] BGR; ``time`` in seconds since the start, None for a still."""

    source: str
    index: int
    time: float | None
    image: Image


class Source(Protocol):
    """Gives frames once, and belongs to whoever opened it.

    ``frames`` yields a FerliteError where one file of several cannot be read, and goes on; it raises where
    nothing more can come.
    """

    total: int  # frames to come, 0 where nobody knows
    stills: bool
    rate: float  # frames per second, 0 for stills and where unknown

    def frames(self) -> Iterator[Frame | FerliteError]:
        """The frames in order."""
        ...

    def close(self) -> None:
        """Release the camera or file; a second call does nothing."""
        ...


def open_source(spec: str) -> Source:
    """A source for what the user typed.

    A picture, a folder of pictures, a glob ("shots/*.jpg"), a video file, a camera's number or
    /dev/videoN, an RTSP/HTTP/UDP address, a GStreamer pipeline ("... ! appsink") or "picamera2".
    Raises SourceError where there is nothing like it.
    """
    if spec == "picamera2" or spec.startswith("picamera2:"):
        return PicameraSource(spec)
    if spec.isdecimal() or spec.startswith("/dev/video"):
        return _open_camera(spec)
    if spec.startswith(STREAMS):
        return VideoSource(spec, _capture(spec, cv2.CAP_FFMPEG), live=True)
    if " ! " in spec:
        return _open_gstreamer(spec)
    path = Path(spec)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if not files:
            raise SourceError(f"folder '{spec}' has no files in it")
        return ImageSource(files)
    if not path.exists():
        files = sorted(Path(name) for name in glob.glob(spec, recursive=True) if Path(name).is_file())
        if files:
            return ImageSource(files)
        raise SourceError(f"no such file or folder: '{spec}'")
    if path.suffix.lower() in SUFFIXES:
        return ImageSource([path])
    return _open_video_file(path)


class ImageSource:
    """Picture files, one frame each."""

    stills, rate = True, 0.0

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self.total = len(files)

    def frames(self) -> Iterator[Frame | FerliteError]:
        """A frame per file, or the reason why there is none."""
        for index, file in enumerate(self._files):
            try:
                if file.suffix.lower() not in SUFFIXES:
                    raise SourceError(
                        f"'{file}' is not a picture: its name ends in none of {', '.join(SUFFIXES)}"
                    )
                yield Frame(str(file), index, None, read_image(file))
            except SourceError as error:
                yield error

    def close(self) -> None:
        """Nothing to release."""


class VideoSource:
    """A video file, camera or stream through OpenCV. ``live``: its frames are timed by the clock."""

    stills = False

    def __init__(self, name: str, capture: Any, live: bool, endless: bool = True) -> None:
        self._name, self._capture, self._live, self._endless = name, capture, live, endless
        self.rate = max(0.0, float(capture.get(cv2.CAP_PROP_FPS) or 0))
        promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.total = 0 if live or not np.isfinite(promised) else max(0, int(promised))

    def frames(self) -> Iterator[Frame | FerliteError]:
        """Frames until the end. Raises SourceError where a stream breaks off or a file ends too soon."""
        began, index = time.monotonic(), 0
        while True:
            try:
                good, image = self._capture.read()
            except cv2.error as error:
                raise SourceError(f"'{self._name}' cannot be decoded after {index} frames") from error
            if not good or image is None:
                break
            moment = time.monotonic() - began if self._live else index / (self.rate or 25.0)
            yield Frame(self._name, index, moment, _as_bgr(image))
            index += 1
        if self._live and self._endless:
            raise SourceError(f"'{self._name}' gives no more frames after {index}")
        # Containers count generously: only a clear shortfall is a file that was cut off.
        if index == 0 or index < 0.9 * self.total - 2:
            raise SourceError(
                f"video '{self._name}' ends after {index} of {self.total} frames: it is cut short"
            )

    def close(self) -> None:
        """Release the capture."""
        self._capture.release()


class PicameraSource:
    """A Raspberry Pi's CSI camera through picamera2, as "picamera2" or "picamera2:NUMBER"."""

    stills, total, rate = False, 0, 0.0

    def __init__(self, spec: str) -> None:
        try:
            from picamera2 import Picamera2
        except ImportError as error:
            raise SourceError(
                "source 'picamera2' needs the picamera2 package: sudo apt install python3-picamera2, "
                "and a virtual environment made with --system-site-packages"
            ) from error
        number = spec.partition(":")[2] or "0"
        if not number.isdecimal():
            raise SourceError(f"source '{spec}': the camera must be a number, as in picamera2:0")
        self._name = spec
        try:
            self._camera: Any = Picamera2(int(number))
            # libcamera names the formats by the order in the register: this one is BGR in memory.
            self._camera.configure(
                self._camera.create_video_configuration({"format": "RGB888", "size": (640, 480)})
            )
            self._camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            raise SourceError(f"camera '{spec}' does not start: {error}") from error

    def frames(self) -> Iterator[Frame | FerliteError]:
        """Frames for as long as the camera runs."""
        began, index = time.monotonic(), 0
        while True:
            image = self._camera.capture_array("main")
            yield Frame(self._name, index, time.monotonic() - began, np.ascontiguousarray(image[:, :, :3]))
            index += 1

    def close(self) -> None:
        """Stop the camera."""
        self._camera.stop()
        self._camera.close()


def _open_camera(spec: str) -> VideoSource:
    device = Path(spec if spec.startswith("/") else f"/dev/video{spec}")
    if not device.exists():
        there = sorted(str(path) for path in Path("/dev").glob("video*"))
        raise SourceError(
            f"no camera '{spec}': {device} does not exist; there is {', '.join(there) or 'no camera'}"
        )
    capture = _capture(str(device), cv2.CAP_V4L2)
    # Raw video of 640 x 480 fills a USB 2 bus; most webcams compress if asked to.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return VideoSource(spec, capture, live=True)


def _open_gstreamer(spec: str) -> VideoSource:
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise SourceError(
            "this OpenCV has no GStreamer (the wheels never do): use the system's python3-opencv, "
            "or a camera number or address instead of a pipeline"
        )
    return VideoSource(spec, _capture(spec, cv2.CAP_GSTREAMER), live=True, endless=False)


def _open_video_file(path: Path) -> VideoSource:
    try:
        if path.stat().st_size == 0:
            raise SourceError(f"'{path}' is empty")
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"cannot read '{path}': {error.strerror}") from error
    return VideoSource(str(path), _capture(str(path), cv2.CAP_FFMPEG), live=False)


def _capture(name: str, backend: int) -> cv2.VideoCapture:
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        OPEN_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        OPEN_TIMEOUT_MS,
    ]
    try:
        capture = cv2.VideoCapture(name, backend, timeouts if backend == cv2.CAP_FFMPEG else [])
    except cv2.error as error:
        raise SourceError(f"'{name}' cannot be opened as video") from error
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"'{name}' cannot be opened: it is no picture or video that OpenCV knows, or is cut short"
        )
    return capture


def _as_bgr(image: Any) -> Image:
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    elif image.shape[2] == 4:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    return np.asarray(image, np.uint8)
