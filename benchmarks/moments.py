"""What spotting movements that come and go is worth, and costs: on photographs that move, and on films.

    python -m benchmarks.moments --photos lfw_expressions.npz --heads ict_face.npz \\
        --mesh face_landmark.tflite --clips FOLDER --detector-model YUNET

Photographs of people are bent for a moment (train/synth/moments.py). The rule's constants were chosen on
people of the data set's train split, and those of its private split, who are others, are reported. Films of
people in whom nobody marked a short movement count for false alarms. Writes records/moments.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge import bundle as bundles
from edge.moments.watch import FEWEST, Watcher
from edge.results import FrameReadings, Moment, Reading
from edge.run import pipeline_of
from edge.settings import RunSettings
from edge.source import Frame, open_source
from edge.steps import Steps
from faces import readers
from faces.spotting.score import Counts, Interval, counted, matched
from measure import machine
from train.synth.face_mesh import MeshReader
from train.synth.families import load_heads
from train.synth.mesh import Head
from train.synth.moments import Film, shoot

RECORD = Path(__file__).parent / "records" / "moments.json"
RATES = (100, 50, 25, 200)
PLAYED = 100.0  # frames a second
REACHES = ((0.02, 0.035), (0.035, 0.05), (0.05, 0.08))  # distances between the eyes
LENGTHS = ((0.08, 0.2), (0.2, 0.35), (0.35, 0.5))  # seconds
FEW = "few"  # in a doubt: it says nothing of the movement


def films(photos: Any, mesh: MeshReader, head: Head, people: int, seconds: float) -> Iterator[Film]:
    """A film of each of so many ``people``'s first calm photograph that the mesh is sure of."""
    calm = photos.labels == photos.classes.index("neutral")
    _, first = np.unique(photos.person[calm], return_index=True)
    made = 0
    for row in np.flatnonzero(calm)[first]:
        found = mesh(photos.faces[row])
        if found is None:
            continue
        # The person's number of the data set is a hash: the film's seed is the count.
        yield shoot(photos.faces[row], found.landmarks[:, :2], head, made, seconds, 1)
        made += 1
        if made == people:
            return


class Tally:
    """Counts by what the true movements were like."""

    def __init__(self) -> None:
        self.sure, self.all = Counts(), Counts()
        self.reach: dict[str, list[bool]] = defaultdict(list)
        self.length: dict[str, list[bool]] = defaultdict(list)
        self.off: dict[str, list[float]] = defaultdict(list)
        self.seconds, self.busy, self.frames = 0.0, 0.0, 0
        self.false_at: dict[str, int] = defaultdict(int)

    def take(self, film: Film, moments: Sequence[Moment]) -> None:
        """One film's."""
        true = [each for each in film.happenings if each.kind == "micro"]
        wanted = [Interval(each.curve.start, each.curve.end, each.apex) for each in true]
        micro = [each for each in moments if each.kind == "micro"]
        sure = [each for each in micro if undoubted(each)]
        spotted = [Interval(each.onset, each.offset, each.apex) for each in sure]
        self.sure += counted(spotted, wanted)
        self.all += counted([Interval(each.onset, each.offset) for each in micro], wanted)
        pairs = matched(spotted, wanted)
        for index, each in enumerate(true):
            hit = index in pairs.values()
            self.reach[_bin(each.reach, REACHES)].append(hit)
            self.length[_bin(each.curve.end - each.curve.start, LENGTHS)].append(hit)
        for one, other in pairs.items():
            for name in ("onset", "apex", "offset"):
                self.off[name].append(abs(getattr(spotted[one], name) - getattr(wanted[other], name)))
        for index, each in enumerate(sure):
            if index not in pairs:
                near = [
                    it.kind for it in film.happenings if it.curve.start - 0.3 < each.apex < it.curve.end + 0.3
                ]
                self.false_at[near[0] if near else "nothing"] += 1

    def as_json(self) -> dict[str, Any]:
        """JSON-ready; times in milliseconds."""
        return {
            **_figures(self.sure),
            "with_doubted": _figures(self.all),
            "recall_by_reach": {name: _share(hits) for name, hits in sorted(self.reach.items())},
            "recall_by_length_s": {name: _share(hits) for name, hits in sorted(self.length.items())},
            "off_ms": {name: round(1000 * float(np.mean(each)), 1) for name, each in self.off.items()},
            "false_a_minute": round(60 * self.sure.false / max(1e-9, self.seconds), 2),
            "false_at": dict(self.false_at),
            "cpu_ms_a_frame": round(1000 * self.busy / max(1, self.frames), 3),
        }


def undoubted(moment: Moment) -> bool:
    """Whether nothing speaks against it but too few frames a second."""
    return all(FEW in doubt for doubt in moment.doubts)


def _figures(counts: Counts) -> dict[str, Any]:
    return {
        "f1": round(counts.f1, 4),
        "precision": round(counts.precision, 4),
        "recall": round(counts.recall, 4),
        "right": counts.right,
        "false": counts.false,
        "missed": counts.missed,
    }


def _bin(value: float, bins: tuple[tuple[float, float], ...]) -> str:
    low, high = next((each for each in bins if value <= each[1]), bins[-1])
    return f"{low:g}-{high:g}"


def _share(hits: Sequence[bool]) -> dict[str, Any]:
    return {"of": len(hits), "recall": round(float(np.mean(hits)), 4)}


def spotted(film: Film, rate: float, tally: Tally) -> None:
    """``film`` at so many frames a second, through what --moments does with a followed face."""
    watcher, moments = Watcher(bundles.load(""), None), []
    for index, (when, picture, face) in enumerate(film.frames(rate)):
        image = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
        reading = Reading(face, {}, "", (), 1)
        result = FrameReadings("film", index, when, *image.shape[1::-1], (reading,))
        begin = time.process_time()
        moments += watcher(Frame("film", index, when, image), result).moments or ()
        tally.busy += time.process_time() - begin
        tally.frames += 1
    tally.seconds += film.seconds
    tally.take(film, moments)


def alarms(path: Path, settings: RunSettings) -> dict[str, Any]:
    """The short movements that are told of a real film: at its own times, and as PLAYED frames a second.

    Both are made to tell at any rate; ``told`` says whether ``ferlite run`` tells any at this film's own.
    """
    found: dict[str, list[Moment]] = {"own": [], "played": []}
    source = open_source(str(path))
    speed = PLAYED / source.rate
    with pipeline_of(settings, False) as pipeline, Steps(pipeline, source) as steps:
        watchers = {name: Watcher(pipeline.bundle, None, least=0.0) for name in found}
        pipeline.restart()
        faces, seconds = 0, 0.0
        for outcome in steps:
            if isinstance(outcome, Exception):
                raise outcome
            frame, result = outcome
            faces += len(result.readings)
            seconds = result.time or 0.0
            for name, watcher in watchers.items():
                when = seconds / speed if name == "played" else seconds
                found[name] += watcher(frame, replace(result, time=when)).moments or ()
    source.close()
    micro = {name: [each for each in moments if each.kind == "micro"] for name, moments in found.items()}
    return {
        "film": path.name,
        "rate": round(source.rate, 2),
        "faces": faces,
        "told": source.rate >= FEWEST,
        "seconds": round(seconds, 2),
        "own": {"micro": len(micro["own"]), "undoubted": sum(map(undoubted, micro["own"]))},
        "played_seconds": round(seconds / speed, 2),
        "played": {"micro": len(micro["played"]), "undoubted": sum(map(undoubted, micro["played"]))},
    }


def real(folder: Path, settings: RunSettings) -> dict[str, Any]:
    """False alarms on every film of a folder in which a face is found."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".gif", ".mp4", ".avi"))
    rows = [row for row in (alarms(path, settings) for path in paths) if row["faces"]]
    own = sum(row["seconds"] for row in rows) / 60
    played = sum(row["played_seconds"] for row in rows) / 60
    return {
        "films": rows,
        "minutes": round(own, 3),
        "as_run": sum(row["own"]["micro"] for row in rows if row["told"]),
        "own_a_minute": round(sum(row["own"]["undoubted"] for row in rows) / max(1e-9, own), 2),
        "played_minutes": round(played, 3),
        "played_a_minute": round(sum(row["played"]["undoubted"] for row in rows) / max(1e-9, played), 2),
    }


def cost(settings: RunSettings, film: Film, rate: float = 100.0) -> dict[str, Any]:
    """Processor time of a whole run's frame in milliseconds with the extra off and on, by turns."""
    room = 48
    frames = [
        Frame(
            "film",
            index,
            when,
            cv2.cvtColor(
                cv2.copyMakeBorder(picture, room, room, 88, 88, cv2.BORDER_REPLICATE), cv2.COLOR_GRAY2BGR
            ),
        )
        for index, (when, picture, _) in enumerate(replace(film, seconds=3.0).frames(rate))
    ]
    times: dict[str, list[float]] = {"off": [], "on": []}
    for _ in range(2):
        for name, each in times.items():
            with pipeline_of(settings, False) as pipeline:
                watcher = Watcher(pipeline.bundle, None)
                for warm in frames[:20]:
                    pipeline(warm.image, warm.time)
                pipeline.restart()
                begin = time.process_time()
                for frame in frames:
                    readings = pipeline(frame.image, frame.time)
                    if name == "on":
                        watcher(
                            frame,
                            FrameReadings(
                                "film", frame.index, frame.time, *frame.image.shape[1::-1], tuple(readings)
                            ),
                        )
                each.append(1000 * (time.process_time() - begin) / len(frames))
    return {name: round(min(each), 3) for name, each in times.items()} | {
        "frame": list(frames[0].image.shape[1::-1]),
        "frames": len(frames),
    }


def main() -> None:
    """Measure, write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("photos", "heads", "mesh"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--clips", type=Path, help="folder of real films")
    parser.add_argument("--detector-model", type=Path)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=14.0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detector = (
        {"detector": "yunet", "detector_model": arguments.detector_model} if arguments.detector_model else {}
    )
    settings = RunSettings(threads=1, **detector)
    photos = readers.read(arguments.photos, 96, search=False).split("private")
    mesh, head = MeshReader(arguments.mesh), load_heads(arguments.heads).head(0)
    shot = list(films(photos, mesh, head, arguments.people, arguments.seconds))
    mesh.close()
    record: dict[str, Any] = {
        "schema": 1,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": "python -m benchmarks.moments --photos lfw_expressions.npz --heads ict_face.npz "
        "--mesh face_landmark.tflite --clips media --detector-model face_detection_yunet_2023mar.onnx "
        f"--people {arguments.people} --seconds {arguments.seconds:g}",
        "machine": asdict(machine.here()),
        "people": len(shot),
        "seconds": arguments.seconds,
        "happenings": {
            kind: sum(each.kind == kind for film in shot for each in film.happenings)
            for kind in ("micro", "macro", "blink", "talk")
        },
        "rates": {},
    }
    for rate in RATES:
        tally = Tally()
        for film in shot:
            spotted(film, rate, tally)
        record["rates"][str(rate)] = tally.as_json()
        print(rate, json.dumps(record["rates"][str(rate)]), flush=True)
    if arguments.clips:
        record["real"] = real(arguments.clips, settings)
        print(json.dumps(record["real"]), flush=True)
    record["run_cpu_ms"] = cost(settings, shot[0])
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record["run_cpu_ms"]))


if __name__ == "__main__":
    main()
