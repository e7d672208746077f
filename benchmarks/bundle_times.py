"""What a face costs in every shipped bundle and engine, raced in turns: the README's column of times.

    python -m benchmarks.bundle_times [--beside LABEL=BUNDLE] --save benchmarks/records/bundle_times.json

One thread, one face at a time. All networks are loaded in one process and take turns, so that whatever else
the machine does, and however fast it is that minute, falls on all of them: read the times beside each other.
The figure is the process's CPU time, the median of the rounds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import turns
from benchmarks.record import origin, save
from edge import bundle as bundles
from edge.classify import Classifier, load_classifier
from edge.engine import EngineOptions
from measure import machine

ROUNDS, RUNS, WARM_UPS = 40, 25, 20


def row(bundle: str, engine: str, taken: list[float]) -> dict[str, object]:
    """CPU milliseconds of a face in a bundle and engine: median, 10th and 90th percentile of the rounds."""
    low, middle, high = (round(float(np.percentile(taken, share)), 4) for share in (10, 50, 90))
    return {"bundle": bundle, "engine": engine, "ms": middle, "p10": low, "p90": high}


def main() -> int:
    """Measure, print, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"turns of each (default: {ROUNDS})")
    parser.add_argument("--beside", action="append", default=[], help="another bundle, as LABEL=FOLDER")
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    loaded: dict[tuple[str, str], Classifier] = {}
    work: dict[tuple[str, str], Callable[[], object]] = {}
    faces = np.random.default_rng(0)
    racing = {name: str(bundles.SHIPPED / name) for name in bundles.shipped()}
    racing |= {label: folder for label, _, folder in (each.partition("=") for each in arguments.beside)}
    for name, folder in racing.items():
        bundle = bundles.load(folder)
        face = faces.integers(0, 256, (bundle.input.size, bundle.input.size), np.uint8)
        for engine in bundle.files:
            loaded[name, engine] = load_classifier(bundle, engine, EngineOptions(threads=1))
            work[name, engine] = partial(loaded[name, engine], [face])
    taken = turns.cpu_ms(work, arguments.rounds, RUNS, WARM_UPS)
    for classifier in loaded.values():
        classifier.close()
    rows = [row(*key, each) for key, each in taken.items()]
    for each in rows:
        print(
            f"{each['bundle']:22}{each['engine']:10}{each['ms']:8.3f} ms "
            f"({each['p10']:.3f} to {each['p90']:.3f})"
        )
    save(
        {**origin("benchmarks.bundle_times"), "machine": asdict(machine.here()), "rows": rows}, arguments.save
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
