"""The spotter of ``ferlite run --moments`` on films in which people marked movements: the real benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge import bundle as bundles
from edge.commands.progress import Progress
from edge.detect import Detector
from edge.errors import DataInvalid
from edge.moments.rule import RuleSpotter
from edge.moments.watch import Spotter, Watcher
from edge.results import FrameReadings, Moment, Reading
from edge.source import Frame
from edge.sources.decode import read_image
from edge.track import Tracker
from edge.video.follow import Follower
from faces.spotting import annotations as sheet_of
from faces.spotting.annotations import Annotation
from faces.spotting.score import Counts, Interval, counted, matched

LEAD = 1.0  # seconds for which a film's first frame is shown before it: many begin just before the movement
TAIL = 0.8  # and its last after it: what was spotted is told when more than that was seen
Make = Callable[[], Spotter]
Detect = Callable[[], Detector]


@dataclass(frozen=True)
class Film:
    """Frames with their numbers, and what is marked in them."""

    name: str
    frames: list[tuple[int, Path]]
    marked: list[Annotation]


def films(root: Path, sheet: Path, layout: str) -> tuple[list[Film], list[str]]:
    """The films of a data set that are in the folder ``root``, and the names of those that are not.

    Raises DataInvalid where the sheet cannot be read, or none of its films is there.
    """
    found, absent = [], []
    for folder, marked in sheet_of.films(sheet_of.read(sheet, layout)).items():
        frames = sheet_of.frames(root, folder)
        name = "/".join(folder)
        if frames:
            found.append(Film(name, frames, marked))
        else:
            absent.append(name)
    if not found:
        raise DataInvalid(f"'{root}' has none of the {len(absent)} films of '{sheet}': '{absent[0]}' for one")
    return found, absent


def frames_of(film: Film, rate: float) -> Iterator[Frame]:
    """The film's frames at ``rate`` a second, after LEAD seconds of its first and before TAIL of its last.

    Raises SourceError.
    """
    first = film.frames[0][0]
    still = read_image(film.frames[0][1])
    lead = round(LEAD * rate)
    for index in range(lead):
        yield Frame(film.name, index, index / rate, still)
    for number, path in film.frames:
        index = lead + number - first
        image = read_image(path)
        yield Frame(film.name, index, index / rate, image)
    for late in range(1, round(TAIL * rate) + 1):
        yield Frame(film.name, index + late, (index + late) / rate, image)


def spotted(frames: Iterable[Frame], detector: Detector, make: Make = RuleSpotter) -> list[Moment]:
    """What is told of the largest face of the ``frames`` by the spotter that ``make`` makes."""
    follow, tracker, watch = Follower(detector), Tracker(), Watcher(bundles.load(""), None, spotter=make)
    found: list[Moment] = []
    for frame in frames:
        assert frame.time is not None
        faces, _ = follow(frame.image, frame.time)
        tracks = tracker.assign([face.box for face in faces], frame.time)
        pairs = sorted(zip(faces, tracks, strict=True), key=lambda pair: -pair[0].box.area)[:1]
        readings = tuple(Reading(face, {}, "", (), track.number) for face, track in pairs)
        height, width = frame.image.shape[:2]
        result = FrameReadings(frame.source, frame.index, frame.time, width, height, readings)
        found += watch(frame, result).moments or ()
    return found


def measure(found: list[Film], rate: float, detector: Detector, make: Make = RuleSpotter) -> dict[str, Any]:
    """F1 over all ``found`` films for short movements, longer ones and both, JSON-ready.

    Doubted movements do not count. Raises SourceError.
    """
    totals = {kind: Counts() for kind in ("micro", "macro")}
    apart: list[float] = []
    with Progress("spotting", len(found), "films") as progress:
        for film in found:
            begin = film.frames[0][0] - LEAD * rate
            told = [each for each in spotted(frames_of(film, rate), detector, make) if not each.doubts]
            for kind in totals:
                true = [_interval(each, begin, rate) for each in film.marked if each.kind == kind]
                ours = [Interval(each.onset, each.offset, each.apex) for each in told if each.kind == kind]
                totals[kind] += counted(ours, true)
                for i, j in matched(ours, true).items():
                    one, other = ours[i].apex, true[j].apex
                    if one is not None and other is not None:
                        apart.append(abs(one - other))
            progress.advance()
    both = totals["micro"] + totals["macro"]
    return {
        "films": len(found),
        "rate": rate,
        **{name: _figures(counts) for name, counts in {**totals, "both": both}.items()},
        "apex_off_ms": round(1000 * float(np.mean(apart)), 1) if apart else None,
    }


def as_text(record: dict[str, Any]) -> str:
    """The figures for a terminal."""
    rows = [f"{record['films']} films at {record['rate']:g} frames a second, intervals right from IoU 0.5"]
    for name in ("micro", "macro", "both"):
        each = record[name]
        counts = "  ".join(f"{word} {each[word]}" for word in ("right", "false", "missed"))
        rows.append(f"{name:<6} F1 {each['f1']:.4f}  {counts}")
    if record["apex_off_ms"] is not None:
        rows.append(f"apex off by {record['apex_off_ms']:.1f} ms in the mean")
    if record.get("absent"):
        rows.append(
            f"{len(record['absent'])} films of the sheet are not there, '{record['absent'][0]}' for one"
        )
    return "\n".join(rows)


def _interval(marked: Annotation, begin: float, rate: float) -> Interval:
    apex = None if marked.apex is None else (marked.apex - begin) / rate
    # The last frame of a movement is still one of it.
    return Interval((marked.onset - begin) / rate, (marked.offset + 1 - begin) / rate, apex)


def _figures(counts: Counts) -> dict[str, Any]:
    return {
        "f1": round(counts.f1, 4),
        "right": counts.right,
        "false": counts.false,
        "missed": counts.missed,
    }
