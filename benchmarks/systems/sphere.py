"""What a GAN of motions on a sphere makes, and what it is worth where few clips are there (survey system 9).

    python -m benchmarks.systems.sphere --heads ict_face.npz --save benchmarks/records/systems-sphere.json

All motions are of rendered heads' landmarks. Those that judge are of people that nothing learnt from.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.record import origin, save
from edge.errors import FerliteError
from faces.crop_rule import crop_rule_of
from train.evaluate import environment
from train.generators import sphere as gan
from train.heads.temporal import Tcn
from train.synth import sphere
from train.synth.clips_cli import numbers
from train.synth.families import load_heads
from train.synth.motions import Motions, make

SHARES = (5, 20)  # motions of a class that are there
PER_CLASS = 50  # made ones beside them, and jittered ones
NOISE = 0.002  # of the crop: landmarks that are found, and not known, tremble
JITTER = 0.3  # of a coordinate's standard deviation
STEPS, BATCH, RATE = 150, 64, 2e-3  # of the classifier


class Reader:
    """Names the class of points on the sphere: a TCN over the velocity's roots."""

    def __init__(self, points: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], seed: int) -> None:
        self._classes = int(labels.max()) + 1
        x, y = self._rows(points), torch.from_numpy(labels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._body = Tcn(x.shape[2], 48)
            self._head = torch.nn.Linear(self._body.width, self._classes)
            weights = [*self._body.parameters(), *self._head.parameters()]
            optimizer = torch.optim.AdamW(weights, RATE, weight_decay=0.05)
            for _ in range(STEPS):
                chosen = torch.randint(len(x), (BATCH,))
                optimizer.zero_grad()
                logits = self._head(torch.dropout(self._body(x[chosen]), 0.3, True))
                torch.nn.functional.cross_entropy(logits, y[chosen]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    @staticmethod
    def _rows(points: npt.NDArray[np.float64]) -> torch.Tensor:
        rows = points.reshape(len(points), -1, 136) * np.sqrt(points.shape[1])
        return torch.from_numpy(rows.astype(np.float32))

    def accuracy(self, points: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
        """The share of points whose class it names; classes are equally many."""
        with torch.no_grad():
            chosen = self._head(self._body(self._rows(points))).argmax(1).numpy()
        return float((chosen == labels).mean())


def trembling(motions: Motions) -> Motions:
    """``motions`` with noise on every landmark, the same each time."""
    noise = np.random.default_rng(23).normal(0, NOISE, motions.paths.shape)
    return replace(motions, paths=(motions.paths + noise).astype(np.float32))


def made_ones(
    points: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], steps: int, space: gan.Space
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """``PER_CLASS`` motions of each class by a generator that learnt from ``points``."""
    classes = int(labels.max()) + 1
    wanted = np.repeat(np.arange(classes), PER_CLASS)
    return gan.fit(points, labels, classes, steps=steps, space=space)(wanted, seed=5), wanted


def of_whole(train: Motions, test: Motions, steps: int) -> dict[str, Any]:
    """What is made by generators that saw all of ``train``: on the sphere, and without it."""
    points, tests = sphere.to_sphere(train.paths)[0], sphere.to_sphere(test.paths)[0]
    reader = Reader(points, train.labels, 1)
    record: dict[str, Any] = {"real accuracy": reader.accuracy(tests, test.labels), "kinds": {}}
    spaces: tuple[gan.Space, ...] = ("sphere", "flat")
    for space in spaces:
        made, labels = made_ones(points, train.labels, steps, space)
        off = np.abs(np.linalg.norm(made, axis=1) - 1)
        on = sphere.unit(made)
        record["kinds"][space] = {
            "largest error of the length": float(off.max()),
            "accuracy": reader.accuracy(on, labels),
            "spread over real": {
                name: sphere.spread(on[labels == index]) / sphere.spread(tests[test.labels == index])
                for index, name in enumerate(train.classes)
            },
        }
    return record


def of_few(train: Motions, test: Motions, steps: int, seeds: int) -> list[dict[str, Any]]:
    """What made motions add where few are there: the generator, too, sees no others."""
    tests = sphere.to_sphere(test.paths)[0]
    rows = []
    for count in SHARES:
        for seed in range(1, seeds + 1):
            people = np.random.default_rng([21, seed]).permutation(np.unique(train.person))[:count]
            few = train.take(np.isin(train.person, people))
            points = sphere.to_sphere(few.paths)[0]
            made, labels = made_ones(points, few.labels, steps, "sphere")
            rng = np.random.default_rng([22, seed])
            again = rng.integers(0, len(few), PER_CLASS * len(few.classes))
            chart = gan.chart_of(points)
            near = chart.coordinates(points)[again]
            moved = near + rng.normal(0, JITTER * near.std(), near.shape)
            jittered = chart.points(moved, chart.rest(points)[again])
            sets: Mapping[str, tuple[Any, Any]] = {
                "few": (points, few.labels),
                "few and jittered": (
                    np.concatenate([points, jittered]),
                    np.concatenate([few.labels, few.labels[again]]),
                ),
                "few and made": (np.concatenate([points, made]), np.concatenate([few.labels, labels])),
            }
            found = {name: Reader(*each, seed).accuracy(tests, test.labels) for name, each in sets.items()}
            rows.append({"clips of a class": count, "seed": seed, "accuracy": found})
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def markdown(record: dict[str, Any]) -> str:
    """What is made, and what it adds."""
    whole = record["whole"]
    rows = [
        "| made | largest error of the length | named as meant | spread, made over real |",
        "|---|---|---|---|",
    ]
    for space, kind in whole["kinds"].items():
        spreads = list(kind["spread over real"].values())
        cells = [
            "on the sphere" if space == "sphere" else "without it, brought to it after",
            f"{kind['largest error of the length']:.0e}",
            f"{kind['accuracy']:.1%}",
            f"{min(spreads):.2f} to {max(spreads):.2f}, mean {np.mean(spreads):.2f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    sets = list(record["few"][0]["accuracy"])
    rows += ["", f"| clips of a class | {' | '.join(sets)} |", "|---" * (len(sets) + 1) + "|"]
    for count in sorted({row["clips of a class"] for row in record["few"]}):
        those = [row["accuracy"] for row in record["few"] if row["clips of a class"] == count]
        cells = []
        for name in sets:
            values = 100 * np.array([row[name] for row in those])
            cells.append(
                f"{values.mean():.1f} % ± {values.std(ddof=1):.1f}"
                if len(values) > 1
                else f"{values[0]:.1f} %"
            )
        rows.append(f"| {count} | {' | '.join(cells)} |")
    note = (
        f"Landmarks of rendered heads, with noise of {record['noise']:.1%} of the crop: {record['train']} "
        f"motions of {record['people'][0]} heads to learn from, {record['test']} of {record['people'][1]} "
        f"others to judge; real ones are named right in {whole['real accuracy']:.1%}. Mean and standard "
        f"deviation of {record['seeds']} draws."
    )
    return "\n".join([*rows, "", f"{note} {record['date']}, `{record['command']}`"])


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.systems.sphere", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--heads", type=Path, required=True, help="packed heads of ICT-FaceKit")
    parser.add_argument(
        "--people", type=int, nargs=2, default=(60, 30), help="to learn from, and to judge by"
    )
    parser.add_argument("--steps", type=int, default=300, help="of the generator")
    parser.add_argument("--seeds", type=int, default=2, help="draws of few clips")
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        heads, rule = load_heads(arguments.heads), crop_rule_of("fer2013")
        train, test = (
            trembling(make(heads, numbers(split, count), rule))
            for split, count in zip(("train", "private"), arguments.people, strict=True)
        )
    except FerliteError as error:
        print(f"sphere: {error}", file=sys.stderr)
        return 1
    record = {
        "schema": 1,
        "kind": "ferlite motions on a sphere",
        **origin("benchmarks.systems.sphere"),
        "environment": environment(),
        "people": list(arguments.people),
        "train": len(train),
        "test": len(test),
        "motions_sha256": hashlib.sha256(train.paths.tobytes() + test.paths.tobytes()).hexdigest(),
        "steps": arguments.steps,
        "noise": NOISE,
        "seeds": arguments.seeds,
        "whole": of_whole(train, test, arguments.steps),
        "few": of_few(train, test, arguments.steps, arguments.seeds),
    }
    print(markdown(record))
    save(record, arguments.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
