"""What a source of frames is, and how what the user typed becomes one."""

from __future__ import annotations

import importlib
import time as clock
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

from edge.align import Image
from edge.errors import FerliteError, SourceError
from edge.sources.address import file_of
from edge.sources.table import SOURCES


@dataclass(frozen=True)
class Frame:
    """One picture. ``image`` uint8 [H, W, 3] BGR; ``time`` in seconds since the start, None for a still.

    ``source`` is what was typed, without passwords. Times of one source rise from frame to frame.
    ``captured``: when a camera took it, or a file's was decoded, by time.monotonic(). ``missed``: how many
    came since the one before it that nobody was there for.
    """

    source: str
    index: int
    time: float | None
    image: Image
    captured: float = field(default_factory=clock.monotonic, compare=False)
    missed: int = 0


class Source(Protocol):
    """Gives frames once, and belongs to whoever opened it.

    ``frames`` yields a FerliteError where one file of several cannot be read, and a SourceFault where a
    camera fails and is opened again, and goes on; it raises where nothing more can come, so that who does not
    look at items cannot take a source that broke for one that ended. ``run`` joins the two.
    """

    total: int  # frames to come as the container promises them, 0 where nobody knows: for progress only
    stills: bool
    rate: float  # frames per second, on average; 0 for stills and where unknown

    @property
    def faults(self) -> Mapping[str, int]:
        """What it got over, by kind (edge/sources/live.py); empty for files."""
        ...

    def frames(self) -> Iterator[Frame | FerliteError]:
        """The frames in order."""
        ...

    def close(self) -> None:
        """Release the camera or file; a second call does nothing.

        Another thread may be in ``frames``, which then ends soon; a read that hangs is left to itself.
        """
        ...


class SourceKind(Protocol):
    """What the table names: a module with these two functions."""

    def claims(self, spec: str) -> bool:
        """Whether ``spec`` is this kind's; asked in the table's order."""
        ...

    def source(self, spec: str) -> Source:
        """Open it. Raises SourceError."""
        ...


def open_source(spec: str) -> Source:
    """A source for what the user typed.

    A picture, a folder of pictures, a glob ("shots/*.jpg"), a video file, a pipe or "-" (standard input), a
    camera's number or /dev/videoN, an address (RTSP, HTTP, UDP, ...), a GStreamer pipeline ("... ! appsink")
    or "picamera2". Raises SourceError where there is nothing like it.
    """
    if not spec:
        raise SourceError("a source has no name: give a picture, a folder, a video or a camera number")
    spec = file_of(spec)
    kinds = (cast("SourceKind", importlib.import_module(module)) for module in SOURCES.values())
    return next(kind for kind in kinds if kind.claims(spec)).source(spec)
