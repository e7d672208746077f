"""What a worker does with a task: reads its files through a pipeline of its own, and writes one part."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from cluster.archive.find import Item
from cluster.archive.ledger import PARTS, FileDone, PartDone, digest, part_name
from cluster.archive.rows import ParquetSink
from cluster.lease import Lease
from cluster.parcels import Parcel, find
from cluster.work import kept_here
from edge.errors import FerliteError, SourceError, StorageFailed, WorkerRefuses
from edge.files import reason, whole
from edge.pipeline import Pipeline
from edge.run import pipeline_of, run
from edge.settings import RunSettings
from edge.source import Frame, Source
from edge.sources import pictures, video

_here = threading.local()  # each thread's pipelines: one is used from one thread at a time


@dataclass(frozen=True)
class Reading:
    """What all tasks of a run share; ``parcels`` are by the settings that they are for."""

    settings: RunSettings
    parcels: Mapping[str, Parcel]
    lease: Lease


@dataclass(frozen=True)
class Batch:
    """A task: files that are read together."""

    reading: Reading
    items: tuple[Item, ...]


@dataclass(frozen=True)
class BatchDone:
    """A task's end: the part, None where it has no row, and the files that gave none, with reasons."""

    part: PartDone | None
    failed: tuple[tuple[str, str], ...] = ()


class _Nothing(Exception):
    """No frame of the batch could be read: there is no part to write."""


class _Numbered:
    """A source whose frames are called as the item says."""

    faults: Mapping[str, int] = MappingProxyType({})

    def __init__(self, item: Item) -> None:
        still = pictures.claims(item.path)
        self._source: Source = pictures.source(item.path) if still else video.source(item.path)
        self._item = item
        self.total, self.stills, self.rate = self._source.total, self._source.stills, self._source.rate

    def frames(self) -> Iterator[Frame | FerliteError]:
        """The frames; of a picture the number is its place in the folder."""
        for frame in self._source.frames():
            if isinstance(frame, FerliteError):
                yield frame
            else:
                index = self._item.index if self.stills else frame.index
                yield replace(frame, source=self._item.name, index=index)

    def close(self) -> None:
        """Release the file."""
        self._source.close()


def read(batch: Batch) -> BatchDone:
    """Read the files of a batch and write their part, whole or not at all.

    Raises FerliteError, WorkerRefuses where this worker does not see the folder, or cannot write to it.
    """
    began, order = time.monotonic(), batch.reading
    order.lease.check()
    settings = _located(order)
    name = part_name([item.name for item in batch.items])
    place = Path(order.lease.folder) / PARTS / name
    files: list[FileDone] = []
    failed: list[tuple[str, str]] = []
    try:
        place.parent.mkdir(exist_ok=True)
        with whole(place, keep_suffix=True) as part, ExitStack() as close:
            sink: ParquetSink | None = None
            for item in batch.items:
                pipeline = _pipeline(settings, pictures.claims(item.path))
                if sink is None:
                    sink = ParquetSink(part, pipeline.bundle.labels)
                    close.callback(sink.close)
                done = _read_one(item, pipeline, sink)
                if done.frames:
                    files.append(done)
                else:
                    failed.append((item.name, done.errors[0] if done.errors else "it has no frames"))
            close.close()
            if not files:
                raise _Nothing
            order.lease.check()
    except _Nothing:
        return BatchDone(None, tuple(failed))
    except StorageFailed as error:
        raise WorkerRefuses(str(error)) from error
    except OSError as error:
        if isinstance(error, FerliteError):
            raise
        raise WorkerRefuses(f"cannot write '{place}': {reason(error)}") from error
    seconds = round(time.monotonic() - began, 3)
    return BatchDone(
        PartDone(name, tuple(files), seconds, f"{os.uname().nodename}/{os.getpid()}"), tuple(failed)
    )


def _read_one(item: Item, pipeline: Pipeline, sink: ParquetSink) -> FileDone:
    errors: list[str] = []

    def complain(error: FerliteError) -> None:
        errors.append(str(error).replace(item.path, item.name))

    size, mtime_ns, sha256, frames, faces = 0, 0, "", 0, 0
    try:
        facts = os.stat(item.path)  # noqa: PTH116
        size, mtime_ns, sha256 = facts.st_size, facts.st_mtime_ns, digest(item.path)
        source = _Numbered(item)
        try:
            pipeline.restart_apart()  # whatever this worker read before
            summary = run(pipeline, source, [sink], complain=complain, quiet=True)
            frames, faces = summary.frames, summary.faces
        finally:
            source.close()
    except SourceError as error:
        complain(error)
    except OSError as error:
        if isinstance(error, FerliteError):
            raise
        errors.append(f"cannot read '{item.name}': {reason(error)}")
    return FileDone(item.name, size, mtime_ns, sha256, frames, faces, tuple(errors))


def _located(order: Reading) -> RunSettings:
    """The settings with the places that bundle and other files have here. Raises LacksParcel."""
    kept: dict[str, RunSettings] = getattr(_here, "settings", {})
    if order.lease.token not in kept:
        places = {name: find(parcel, kept_here()) for name, parcel in order.parcels.items()}
        told = {name: place if name == "detector_model" else str(place) for name, place in places.items()}
        kept = {order.lease.token: replace(order.settings, **told)}  # type: ignore[arg-type]
        _here.settings = kept
    return kept[order.lease.token]


def _pipeline(settings: RunSettings, stills: bool) -> Pipeline:
    """This thread's pipeline for pictures or for videos, opened when it is first needed."""
    import cv2

    kept: dict[bool, tuple[RunSettings, Pipeline]] = getattr(_here, "pipelines", {})
    if stills not in kept or kept[stills][0] != settings:
        if stills in kept:
            kept[stills][1].close()
        cv2.setNumThreads(settings.threads)
        try:
            kept[stills] = (settings, pipeline_of(settings, stills))
        except FerliteError as error:
            raise WorkerRefuses(f"cannot begin: {error}") from error
        _here.pipelines = kept
    return kept[stills][1]
