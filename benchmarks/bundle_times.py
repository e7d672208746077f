"""What a face costs in every shipped bundle and engine, raced in turns: the README's column of times.

    python -m benchmarks.bundle_times [--beside LABEL=BUNDLE] --save benchmarks/records/bundle_times.json

One thread, one face at a time. All networks are loaded in one process and take turns, so that whatever else
the machine does, and however fast it is that minute, falls on all of them: read the times beside each other.
The figure is the process's CPU time, the median of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.record import origin, save
from edge import bundle as bundles
from edge.classify import Classifier, load_classifier
from edge.engine import EngineOptions
from measure import machine

ROUNDS, RUNS, WARM_UPS = 40, 25, 20


def race(
    entrants: dict[tuple[str, str], tuple[Classifier, np.ndarray]], rounds: int
) -> list[dict[str, object]]:
    """A row for each bundle and engine: CPU milliseconds of a face: median, 10th and 90th percentile."""
    for classifier, face in entrants.values():
        for _ in range(WARM_UPS):
            classifier([face])
    times: dict[tuple[str, str], list[float]] = {key: [] for key in entrants}
    for _ in range(rounds):
        for key, (classifier, face) in entrants.items():
            began = time.process_time()
            for _ in range(RUNS):
                classifier([face])
            times[key].append(1e3 * (time.process_time() - began) / RUNS)
    return [
        {
            "bundle": bundle,
            "engine": engine,
            "ms": round(statistics.median(each), 4),
            "p10": round(float(np.percentile(each, 10)), 4),
            "p90": round(float(np.percentile(each, 90)), 4),
        }
        for (bundle, engine), each in times.items()
    ]


def main() -> int:
    """Measure, print, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"turns of each (default: {ROUNDS})")
    parser.add_argument("--beside", action="append", default=[], help="another bundle, as LABEL=FOLDER")
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    entrants: dict[tuple[str, str], tuple[Classifier, np.ndarray]] = {}
    faces = np.random.default_rng(0)
    racing = {name: str(bundles.SHIPPED / name) for name in bundles.shipped()}
    racing |= {label: folder for label, _, folder in (each.partition("=") for each in arguments.beside)}
    for name, folder in racing.items():
        bundle = bundles.load(folder)
        face = faces.integers(0, 256, (bundle.input.size, bundle.input.size), np.uint8)
        for engine in bundle.files:
            entrants[name, engine] = load_classifier(bundle, engine, EngineOptions(threads=1)), face
    rows = race(entrants, arguments.rounds)
    for classifier, _ in entrants.values():
        classifier.close()
    for row in rows:
        print(
            f"{row['bundle']:22}{row['engine']:10}{row['ms']:8.3f} ms ({row['p10']:.3f} to {row['p90']:.3f})"
        )
    save(
        {**origin("benchmarks.bundle_times"), "machine": asdict(machine.here()), "rows": rows}, arguments.save
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
