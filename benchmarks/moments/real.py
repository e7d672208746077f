"""False alarms on films of people in whom nobody marked a short movement, and what a whole run costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.moments.tally import undoubted
from edge.align import Image
from edge.moments.watch import FEWEST, Spotter, Watcher
from edge.results import FrameReadings, Moment
from edge.run import pipeline_of
from edge.settings import RunSettings
from edge.source import Frame, open_source
from edge.steps import Steps
from train.synth.moments import Film

PLAYED = 100.0  # frames a second
ROOM, SIDES = 48, 88  # pixels around a made picture: above and below, and at the sides
Make = Callable[[], Spotter]


def alarms(path: Path, settings: RunSettings, spotters: Mapping[str, Make]) -> dict[str, Any]:
    """The short movements that are told of a real film: at its own times, and as PLAYED frames a second.

    Both are made to tell at any rate; ``told`` says whether ``ferlite run`` tells any at this film's own.
    """
    source = open_source(str(path))
    speed = PLAYED / source.rate
    ways = [(name, way) for name in spotters for way in ("own", "played")]
    found: dict[tuple[str, str], list[Moment]] = {each: [] for each in ways}
    with pipeline_of(settings, False) as pipeline, Steps(pipeline, source) as steps:
        watchers = {
            (name, way): Watcher(pipeline.bundle, None, spotter=spotters[name], least=0.0)
            for name, way in ways
        }
        pipeline.restart()
        faces, seconds = 0, 0.0
        for outcome in steps:
            if isinstance(outcome, Exception):
                raise outcome
            frame, result = outcome
            faces += len(result.readings)
            seconds = result.time or 0.0
            for (name, way), watcher in watchers.items():
                when = seconds / speed if way == "played" else seconds
                found[name, way] += watcher(frame, replace(result, time=when)).moments or ()
    source.close()
    row: dict[str, Any] = {
        "film": path.name,
        "rate": round(source.rate, 2),
        "faces": faces,
        "told": source.rate >= FEWEST,
        "seconds": round(seconds, 2),
        "played_seconds": round(seconds / speed, 2),
    }
    for (name, way), moments in found.items():
        micro = [each for each in moments if each.kind == "micro"]
        row.setdefault(name, {})[way] = {"micro": len(micro), "undoubted": sum(map(undoubted, micro))}
    return row


def real(folder: Path, settings: RunSettings, spotters: Mapping[str, Make]) -> dict[str, Any]:
    """False alarms on every film of a folder in which a face is found."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".gif", ".mp4", ".avi"))
    rows = [row for row in (alarms(path, settings, spotters) for path in paths) if row["faces"]]
    own = sum(row["seconds"] for row in rows) / 60
    played = sum(row["played_seconds"] for row in rows) / 60
    found: dict[str, Any] = {"films": rows, "minutes": round(own, 3), "played_minutes": round(played, 3)}
    for name in spotters:
        found[name] = {
            "as_run": sum(row[name]["own"]["micro"] for row in rows if row["told"]),
            "own_a_minute": round(sum(row[name]["own"]["undoubted"] for row in rows) / max(1e-9, own), 2),
            "played_a_minute": round(
                sum(row[name]["played"]["undoubted"] for row in rows) / max(1e-9, played), 2
            ),
        }
    return found


def cost(
    settings: RunSettings, film: Film, spotters: Mapping[str, Make], rate: float = 100.0
) -> dict[str, Any]:
    """Processor time of a whole run's frame in milliseconds, without the extra and with it, by turns."""
    frames = [
        Frame("film", index, when, _with_room(picture))
        for index, (when, picture, _) in enumerate(replace(film, seconds=3.0).frames(rate))
    ]
    times: dict[str, list[float]] = {"off": [], **{name: [] for name in spotters}}
    for _ in range(2):
        for name, each in times.items():
            with pipeline_of(settings, False) as pipeline:
                watcher = Watcher(pipeline.bundle, None, spotter=spotters[name]) if name != "off" else None
                for warm in frames[:20]:
                    pipeline(warm.image, warm.time)
                pipeline.restart()
                begin = time.process_time()
                for frame in frames:
                    readings = tuple(pipeline(frame.image, frame.time))
                    size = frame.image.shape[1::-1]
                    if watcher is not None:
                        watcher(frame, FrameReadings("film", frame.index, frame.time, *size, readings))
                each.append(1000 * (time.process_time() - begin) / len(frames))
    return {name: round(min(each), 3) for name, each in times.items()} | {
        "frame": list(frames[0].image.shape[1::-1]),
        "frames": len(frames),
    }


def _with_room(picture: npt.NDArray[np.uint8]) -> Image:
    wide = cv2.copyMakeBorder(picture, ROOM, ROOM, SIDES, SIDES, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(wide, cv2.COLOR_GRAY2BGR), np.uint8)
