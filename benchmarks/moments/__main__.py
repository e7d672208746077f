"""What spotting movements that come and go is worth, and costs: on photographs that move, and on films.

    python -m benchmarks.moments --photos lfw_expressions.npz --heads ict_face.npz \\
        --mesh face_landmark.tflite --spotter BUNDLE --run RUN --clips FOLDER --detector-model YUNET

Photographs of people are bent for a moment (train/synth/moments.py). The rule's constants were chosen on
people of the data set's train split, a network learnt from those and was chosen by people of its public one;
those of its private split, who are others, are reported. Films of people in whom nobody marked a short
movement count for false alarms. Writes records/moments.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2

from benchmarks.moments import naming, real
from benchmarks.moments.tally import Tally, shown
from benchmarks.record import RECORDS, origin, save
from edge import bundle as bundles
from edge import engine as engines
from edge.bundle import Bundle
from edge.classify import Classifier, load_classifier
from edge.engine import EngineOptions
from edge.moments.motion import Motion
from edge.moments.network import NetworkSpotter, SpottingNetwork
from edge.moments.rule import RuleSpotter, Span
from edge.moments.watch import Spotter, Watcher
from edge.results import Moment
from edge.settings import RunSettings
from faces import readers
from measure import machine
from train.spotter import gather, judge, motion_set, tones
from train.spotter.learn import load_learnt
from train.synth.face_mesh import MeshReader
from train.synth.families import load_heads
from train.synth.moments import Film

RECORD = RECORDS / "moments.json"
RATES = (100, 50, 25, 200)
TONED = 16.0  # seconds of each film whose tones are read


class Timed:
    """A spotter whose processor time is added up. See ``edge.moments.watch.Spotter``."""

    def __init__(self, spotter: Spotter, tally: Tally) -> None:
        self._spotter, self._tally = spotter, tally
        self.rest, self.height = spotter.rest, spotter.height

    def __call__(self, when: float, motion: Motion) -> Sequence[Span]:
        """See ``Spotter``."""
        begin = time.process_time()
        spans = self._spotter(when, motion)
        self._tally.spotting += time.process_time() - begin
        self.rest, self.height = self._spotter.rest, self._spotter.height
        return spans

    def restart(self) -> None:
        """See ``Spotter``."""
        self._spotter.restart()


def spotted(
    film: Film, rate: float, make: real.Make, tally: Tally, bundle: Bundle, names: Classifier
) -> None:
    """``film`` at so many frames a second, through what --moments does with a followed face."""
    watcher = Watcher(bundle, names, spotter=lambda: Timed(make(), tally))
    moments: list[Moment] = []
    for frame, result in shown(film, rate):
        begin = time.process_time()
        moments += watcher(frame, result).moments or ()
        tally.busy += time.process_time() - begin
        tally.frames += 1
    tally.seconds += film.seconds
    tally.take(film, moments)


def measured(films: Sequence[Film], spotters: dict[str, real.Make], bundle: Bundle) -> dict[str, Any]:
    """What each of the ``spotters`` spots of the ``films`` at all RATES."""
    options = EngineOptions(threads=1)
    names = load_classifier(bundle, engines.choose("auto", bundle.files).name, options)
    found: dict[str, Any] = {name: {} for name in spotters}
    for rate in RATES:
        for name, make in spotters.items():
            tally = Tally()
            for film in films:
                spotted(film, rate, make, tally, bundle, names)
            found[name][str(rate)] = tally.as_json()
            print(name, rate, json.dumps(found[name][str(rate)]), flush=True)
    names.close()
    return found


def held(films: Sequence[Film], run: Path, where: str) -> dict[str, Any]:
    """The network in float and int8 in each engine of its bundle, at 100 frames a second, on kept motions."""
    kept = motion_set.joined([(gather.rows_of(film, 100.0), gather.happened(film)) for film in films])
    bundle = bundles.load(where)
    asked = judge.Asked(load_learnt(run), bundle.spot)
    found = {
        "rule": judge.measure(kept, RuleSpotter),
        "float": judge.measure(kept, lambda: NetworkSpotter(asked)),
    }
    for engine, entry in bundle.files.items():
        network = SpottingNetwork(bundle, engine, EngineOptions(threads=1))
        row = judge.measure(kept, lambda network=network: NetworkSpotter(network))  # type: ignore[misc]
        found[engine] = {"precision_of_weights": entry.precision, **row}
        network.close()
    return found


def named(photos: Any, mesh: MeshReader, head: Any, people: int, bundle: Bundle) -> dict[str, Any]:
    """``naming.at_true_times`` of the films of so many people."""
    names = load_classifier(bundle, engines.choose("auto", bundle.files).name, EngineOptions(threads=1))
    films = list(gather.films(photos, mesh, head, people, 20.0, 2))
    found = {"people": len(films), "at_true_times": naming.at_true_times(films, bundle, names)}
    names.close()
    return found


def toned(photos: Any, mesh: MeshReader, head: Any, people: int, where: str) -> dict[str, Any]:
    """What tone the bundle gives movements at their true times, by the tone of their actions."""
    rule = bundles.load(where).spot
    assert rule is not None
    films = gather.gathered(photos, mesh, head, people, TONED, 3, 50.0)
    return {"people": len(films), "seconds": TONED, "at_true_times": tones.judged(films, rule.tones)}


def main() -> None:
    """Measure, write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("photos", "heads", "mesh"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--spotter", required=True, help="the network's bundle")
    parser.add_argument("--run", type=Path, required=True, help="the run that it was built of, for its float")
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
    shot = list(gather.films(photos, mesh, head, arguments.people, arguments.seconds, 1))
    bundle, network = bundles.load(""), SpottingNetwork(bundles.load(arguments.spotter), "onnx")
    spotters: dict[str, real.Make] = {"rule": RuleSpotter, "network": lambda: NetworkSpotter(network)}
    record: dict[str, Any] = {
        "schema": 2,
        **origin("benchmarks.moments"),
        "machine": asdict(machine.here()),
        "people": len(shot),
        "seconds": arguments.seconds,
        "happenings": {
            kind: sum(each.kind == kind for film in shot for each in film.happenings)
            for kind in motion_set.KINDS
        },
        "engine": network.engine,
        "spotters": measured(shot, spotters, bundle),
        "engines": held(shot, arguments.run, arguments.spotter),
        "naming": named(photos, mesh, head, 8 * arguments.people, bundle),
        "tones": toned(photos, mesh, head, 8 * arguments.people, arguments.spotter),
    }
    mesh.close()
    if arguments.clips:
        record["real"] = real.real(arguments.clips, settings, spotters)
        print(json.dumps(record["real"]), flush=True)
    record["run_cpu_ms"] = real.cost(settings, shot[0], spotters)
    network.close()
    save(record, RECORD)
    print(json.dumps(record["run_cpu_ms"]))


if __name__ == "__main__":
    main()
