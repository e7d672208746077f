"""What is told of a movement just before a film ends, or a face is gone: python -m benchmarks.moments.ending

    python -m benchmarks.moments.ending --photos lfw_expressions.npz --heads ict_face.npz \\
        --mesh face_landmark.tflite --spotter BUNDLE

The films of benchmarks.moments, cut once for each short movement: a tenth of a second after its offset, where
it should be told, and at its apex, where nothing is over. Without the last frame's mark it is told as it is
of a film that goes on. Writes records/moments_ending.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from benchmarks.moments import real
from benchmarks.moments.tally import interval_of, shown, true_interval
from benchmarks.record import RECORDS, origin, save
from edge import bundle as bundles
from edge.bundle import Bundle
from edge.moments.network import NetworkSpotter, SpottingNetwork
from edge.moments.rule import RuleSpotter
from edge.moments.watch import Watcher
from edge.results import Moment
from faces import readers
from faces.spotting.score import counted
from train.spotter import gather
from train.synth.face_mesh import MeshReader
from train.synth.families import load_heads
from train.synth.moments import Film

RATE = 100.0  # frames a second
BEFORE, AFTER = 4.0, 0.1  # seconds of film ahead of an onset, and behind an offset


def told(film: Film, begin: float, end: float, make: real.Make, bundle: Bundle) -> tuple[list[Moment], ...]:
    """Short movements of ``film`` from ``begin`` to ``end``, seconds: told before its last frame, by it."""
    frames = [each for each in shown(film, RATE) if begin <= (each[0].time or 0.0) <= end]
    watcher = Watcher(bundle, None, spotter=make)
    found: list[list[Moment]] = []
    for index, (frame, result) in enumerate(frames):
        seen = watcher(frame, result, index + 1 == len(frames))
        found.append([each for each in seen.moments or () if each.kind == "micro"])
    return [each for some in found[:-1] for each in some], found[-1]


def measured(films: Sequence[Film], make: real.Make, bundle: Bundle) -> dict[str, Any]:
    """Counts over all short movements."""
    counts = dict.fromkeys(("movements", "told_sooner", "told_by_the_end", "false", "told_at_the_apex"), 0)
    for film in films:
        micro = [each for each in film.happenings if each.kind == "micro"]
        for each in micro:
            start, wanted = each.curve.start, true_interval(each)
            sooner, late = told(film, start - BEFORE, each.curve.end + AFTER, make, bundle)
            right = [counted([interval_of(one)], [wanted]).right for one in sooner + late]
            counts["movements"] += 1
            counts["told_sooner"] += any(right[: len(sooner)])
            counts["told_by_the_end"] += any(right[len(sooner) :])
            counts["false"] += counted([*map(interval_of, late)], [*map(true_interval, micro)]).false
            _, at_apex = told(film, start - BEFORE, each.apex, make, bundle)
            counts["told_at_the_apex"] += any(one.offset > start for one in at_apex)
    return counts


def main() -> None:
    """Measure, write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("photos", "heads", "mesh"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--spotter", required=True, help="the network's bundle")
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=14.0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    photos = readers.read(arguments.photos, 96, search=False).split("private")
    mesh, head = MeshReader(arguments.mesh), load_heads(arguments.heads).head(0)
    shot = list(gather.films(photos, mesh, head, arguments.people, arguments.seconds, 1))
    mesh.close()
    bundle, network = bundles.load(""), SpottingNetwork(bundles.load(arguments.spotter), "onnx")
    spotters: dict[str, real.Make] = {"rule": RuleSpotter, "network": lambda: NetworkSpotter(network)}
    record: dict[str, Any] = {
        "schema": 1,
        **origin("benchmarks.moments.ending"),
        "people": len(shot),
        "seconds": arguments.seconds,
        "spotters": {name: measured(shot, make, bundle) for name, make in spotters.items()},
    }
    network.close()
    save(record, RECORDS / "moments_ending.json")
    print(json.dumps(record["spotters"]))


if __name__ == "__main__":
    main()
