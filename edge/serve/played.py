"""A video file at its own speed, again and again, as if it were a camera."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from edge.errors import FerliteError, UsageError
from edge.source import Frame, Source, open_source
from edge.sources.address import file_of

USUAL_RATE = 25.0  # frames per second of a file that does not tell


def open_played(spec: str) -> Source:
    """What ``ferlite serve`` shows: a camera or a stream as it is, a file as ``Played``.

    Raises SourceError, and UsageError for pictures.
    """
    source = open_source(spec)
    if source.stills:
        source.close()
        raise UsageError(
            f"serve shows what moves, and '{spec}' does not: give a video, a camera or a stream "
            "(pictures are read with ferlite run, or sent to a server with POST /read)"
        )
    return Played(spec, source) if os.path.isfile(file_of(spec)) else source  # noqa: PTH113


class Played:
    """The file's frames when they are due. Where reading takes longer, the film is late and not cut."""

    stills, total = False, 0

    def __init__(self, spec: str, source: Source) -> None:
        self._spec, self._source, self.rate, self.faults = spec, source, source.rate, source.faults
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame | FerliteError]:
        """Frames without an end; their times and indices go on rising when the file begins again."""
        index, offset = 0, 0.0
        while not self._closed.is_set():
            began, last = time.monotonic(), 0.0
            for item in self._source.frames():
                if isinstance(item, Frame):
                    last = item.time or 0.0
                    if self._closed.wait(max(0.0, began + last - time.monotonic())):
                        return
                    now = time.monotonic()
                    item = replace(item, index=index, time=offset + last, captured=now)  # noqa: PLW2901
                    index += 1
                yield item
            offset += last + 1 / (self.rate or USUAL_RATE)
            self._source.close()
            self._source = open_source(self._spec)
        self._source.close()

    def close(self) -> None:
        """Close the file."""
        self._closed.set()
        self._source.close()
