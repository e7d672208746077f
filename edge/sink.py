"""What a sink of readings is, and how one is opened."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Protocol, cast

from edge.results import FrameReadings
from edge.sinks.table import SINKS
from edge.source import Frame


@dataclass(frozen=True)
class Target:
    """Where a sink writes, and what it must know of the run.

    ``place`` is a path, or "-" for standard output. ``labels`` are the bundle's, in order. ``rate``: frames a
    second of a video, 0 where unknown. ``single``: ``place`` is one picture and not a folder. ``limit``:
    bytes at which a text file is put aside and begun anew, 0 for never. ``live``: frames come once and
    wait for no slow reader.
    """

    place: str
    labels: tuple[str, ...] = ()
    privacy: bool = False
    rate: float = 0.0
    single: bool = False
    limit: int = 0
    live: bool = False


class Sink(Protocol):
    """Takes each frame's readings; made with a Target, for which it raises SinkError.

    ``name`` is what messages call it.
    """

    name: str

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """One frame. Raises SinkError, and FrameNotSaved where the next frame may do better."""
        ...

    def close(self) -> None:
        """Finish and release the output; a second call does nothing. Raises SinkError."""
        ...


class SinkClass(Protocol):
    """What the table names."""

    def __call__(self, target: Target) -> Sink:
        """Open it. Raises SinkError."""
        ...


def open_sink(kind: str, target: Target) -> Sink:
    """The sink of this kind, of those in the table. Raises SinkError."""
    module, name = SINKS[kind].where.split(":")
    return cast("SinkClass", getattr(importlib.import_module(module), name))(target)
