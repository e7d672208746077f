"""What ``ferlite run`` and ``serve`` may not write to: their inputs, pictures and videos, one file twice.

Looked at before anything is opened, because opening is where files are lost.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

from edge.bundle import files_of
from edge.errors import UsageError
from edge.files import refuse_same, same_file
from edge.settings import RULE, RunSettings
from edge.sinks.video import CODECS
from edge.sources.address import file_of
from edge.sources.decode import SUFFIXES
from edge.sources.formats import HEAD, is_video, picture_format

WRITTEN = ("save", "learn_profile", "timeline")
TEXTS = (".json", ".jsonl", ".csv")
FILMS = (*CODECS, ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".gif", ".heic", ".avif", ".jfif")


def refuse_losses(settings: RunSettings, *read: Path | None) -> None:
    """Raise UsageError where an output would replace or spoil what the run reads, or another output.

    ``read``: files beside those that the settings name, None for one that was not given.
    """
    inputs = [*_inputs(settings), *(path for path in read if path)]
    for spec in settings.source:
        if Path(spec).suffix.lower() in TEXTS:
            kind = "csv" if spec.lower().endswith(".csv") else "jsonl"
            raise UsageError(f"'{spec}' is taken for a source: to write there, --sink {kind}:{spec}")
    texts = [Path(place) for place in (spec.partition(":")[2] for spec in settings.sink) if place != "-"]
    for place in texts:
        _refuse_pictures(place)
    if settings.learn_profile:
        _refuse_pictures(settings.learn_profile)
    drawn = (settings.save, settings.learn_profile, settings.timeline)
    places = [*texts, *(place for place in drawn if place)]
    refuse_same(places, inputs)
    if [spec for spec in settings.sink if spec.endswith(":-")][1:]:
        raise UsageError("two outputs cannot both go to standard output: give one of them a file with --sink")
    if (
        settings.save
        and settings.save.is_dir()
        and any(same_file(settings.save, read.parent) for read in inputs)
    ):
        raise UsageError(f"'{settings.save}' is the folder that the pictures are read from: save to another")


def _inputs(settings: RunSettings) -> Iterator[Path]:
    """Every file that the settings have read, as far as it can be known by its name."""
    named = (getattr(settings, each.name) for each in fields(settings) if each.name not in WRITTEN)
    yield from (each for each in named if isinstance(each, Path))
    yield Path(settings.prior or "-")
    yield from files_of(settings.bundle)
    if settings.voice:
        yield Path(settings.voice)
        yield from files_of(settings.voice_bundle or "voice")
    if settings.moments and settings.spotter != RULE:
        yield from files_of(settings.spotter or "spotter")
    for spec in map(file_of, settings.source):
        with suppress(OSError, ValueError):
            path = Path(spec)
            if path.is_dir():
                yield from path.iterdir()
            elif path.exists():
                yield path
            else:
                yield from map(Path, glob.glob(spec, recursive=True))


def _refuse_pictures(place: Path) -> None:
    """Text may not go where a picture or a video is, nor into a file that will be taken for one."""
    if place.suffix.lower() in (*SUFFIXES, *FILMS):
        raise UsageError(f"'{place}' has the name of a picture or a video, and readings are text")
    with suppress(OSError):
        if place.is_file():
            with place.open("rb") as file:
                head = file.read(HEAD)
            if picture_format(head) or is_video(head):
                raise UsageError(f"'{place}' is a picture or a video: give another file to write to")
