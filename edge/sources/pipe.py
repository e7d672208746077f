"""Pipes: standard input as "-", FIFOs, and what a shell puts for <(command)."""

from __future__ import annotations

import os
import select
import signal
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType

import cv2

from edge.errors import FerliteError, SourceError
from edge.source import Frame, Source, open_source
from edge.sources.capture import open_capture
from edge.sources.decode import LARGEST_FILE, decode_image
from edge.sources.formats import HEAD, picture_format
from edge.sources.video import VideoSource

STANDARD_INPUT = "/dev/stdin"
CHUNK = 1 << 16
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class PipedPicture:
    """One picture that came through a pipe."""

    stills, rate, total = True, 0.0, 1
    faults: Mapping[str, int] = MappingProxyType({})

    def __init__(self, name: str, content: bytes) -> None:
        self._name, self._content = name, content

    def frames(self) -> Iterator[Frame | FerliteError]:
        """The picture, or why it is none."""
        try:
            yield Frame(self._name, 0, None, decode_image(self._content, self._name))
        except SourceError as error:
            yield error

    def close(self) -> None:
        """Nothing to release."""


def claims(spec: str) -> bool:
    """ "-", or a path at which a pipe or a socket is."""
    if spec == "-":
        return True
    try:
        mode = os.stat(spec).st_mode  # noqa: PTH116 - Path has no such call for "" on every version
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def source(spec: str) -> Source:
    """What comes through the pipe: a picture, or a video as it arrives. Raises SourceError."""
    path = STANDARD_INPUT if spec == "-" else spec
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise SourceError(f"cannot read '{spec}': {error.strerror}") from error
    if os.isatty(descriptor):
        os.close(descriptor)
        raise SourceError(f"'{spec}' is a terminal: pipe a picture or a video into it")
    if stat.S_ISREG(os.fstat(descriptor).st_mode):  # ferlite run - < photo.jpg
        os.close(descriptor)
        return open_source(path)
    head = _read(descriptor, HEAD)
    if not head:
        os.close(descriptor)
        raise SourceError(f"'{spec}' ended before it gave anything")
    if picture_format(head):
        content = head + _read(descriptor, LARGEST_FILE + 1 - len(head))
        os.close(descriptor)
        if len(content) > LARGEST_FILE:
            raise SourceError(f"'{spec}' gave over {LARGEST_FILE >> 20} MiB, the limit for a picture")
        return PipedPicture(spec, content)
    return _video(spec, descriptor, head)


def _video(name: str, descriptor: int, head: bytes) -> VideoSource:
    """FFmpeg reads a pipe of its own: what was looked at must come first in it."""
    reading, writing = os.pipe()
    threading.Thread(target=_pump, args=(descriptor, writing, head, _signals()), daemon=True).start()
    try:
        return VideoSource(name, open_capture(name, f"/proc/self/fd/{reading}", cv2.CAP_FFMPEG))
    except SourceError as error:
        raise SourceError(f"{error}; an MP4 must have its index first to come through a pipe") from error
    finally:
        os.close(reading)  # FFmpeg opened it again, and the pump ends when nobody reads


def _signals() -> int:
    """A descriptor that gives the numbers of signals as they come, -1 where somebody else hears them.

    A signal that comes while FFmpeg is about to wait for the pipe is heard by nobody until data comes: the
    main thread is not in Python.
    """
    if threading.current_thread() is not threading.main_thread():
        return -1
    told, telling = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    if before != -1:
        signal.set_wakeup_fd(before)
        os.close(told)
        os.close(telling)
        return -1
    return told


def _pump(source: int, target: int, head: bytes, signals: int) -> None:
    wait = select.poll()
    for each in (source, signals):
        if each >= 0:
            wait.register(each, select.POLLIN)
    with suppress(OSError):
        while head:
            rest = memoryview(head)
            while rest:
                rest = rest[os.write(target, rest) :]
            if _ended(wait, source, signals):
                break
            head = os.read(source, CHUNK)
    os.close(source)
    os.close(target)


def _ended(wait: select.poll, source: int, signals: int) -> bool:
    """Wait for the source; whether a signal that ends the process came first."""
    while True:
        ready = {each for each, _ in wait.poll()}
        if signals in ready and any(number in ENDS for number in os.read(signals, CHUNK)):
            return True
        if source in ready:
            return False


def _read(descriptor: int, most: int) -> bytes:
    """Up to ``most`` bytes, fewer only where the pipe ends."""
    parts, size = [], 0
    while size < most and (part := os.read(descriptor, min(CHUNK, most - size))):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
