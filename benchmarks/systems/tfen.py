"""What time, and taking the person out, are worth on clips (survey system 14): every head, and two probes.

    python -m benchmarks.systems.tfen --clips CLIPS --test rendered.npz --test morphed.npz \\
        --init train/weights/mobilenetv2-48.pt.xz --out runs/tfen --save benchmarks/records/systems-tfen.json

CLIPS is a folder of packs of 'ferlite train clips'; the packs that judge are kept apart, each by its making.
Their people are none of those that anything learnt from. A run that is there already is taken as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.record import origin, save
from edge.errors import DataInvalid, FerliteError
from faces import readers
from faces.clip_set import ClipSet
from faces.scores import recalls
from train import loop, recipe
from train.checkpoint import Trained, load_run
from train.evaluate import environment
from train.predict import predict
from train.probe import ridge_probe
from train.systems.tfen import Tfen, TfenNetwork

RECIPE = "tfen"
# What is changed in the recipe, by what the record calls it.
RUNS: Mapping[str, Mapping[str, str]] = {
    "TCN": {},
    "last frame": {'head = "tcn"': 'head = "last"'},
    "mean of the frames": {'head = "tcn"': 'head = "mean"'},
    "(2+1)D": {'head = "tcn"': 'head = "factorised"'},
    "TCN, no adversary": {"adversary_weight = 0.3": "adversary_weight = 0.0"},
    "TCN, no adversary, no decoupler": {
        "adversary_weight = 0.3": "adversary_weight = 0.0",
        "decoupler = true": "decoupler = false",
    },
}
HEADS = ("last frame", "mean of the frames", "TCN", "(2+1)D")
PROBED = ("TCN, no adversary, no decoupler", "TCN, no adversary", "TCN")
STILL = "the trunk alone"
Floats = npt.NDArray[np.float32]


def recipe_of(changes: Mapping[str, str], seed: int) -> recipe.Recipe:
    """The built-in recipe with ``changes``. Raises RecipeInvalid."""
    text = recipe.load(RECIPE).text
    for old, new in (dict(changes) | {"seed = 1": f"seed = {seed}"}).items():
        if old not in text:
            raise DataInvalid(f"recipe '{RECIPE}' has no '{old}' any more")
        text = text.replace(old, new)
    return recipe.parse(text, RECIPE)


class Tested:
    """A run's answers to the clips of a test, with what it is told of them changed."""

    def __init__(self, trained: Trained, test: ClipSet) -> None:
        assert isinstance(trained.model, TfenNetwork)
        self._trained, self._test, self.network = trained, test, trained.model
        self.system = Tfen(trained.recipe)
        self._rows = self.system.rows(trained.model, test)

    def answers(self, memory: Floats, reference: Floats | None = None) -> npt.NDArray[np.int64]:
        """What the network names, int64 [N]."""
        told = [memory, reference]
        logits = predict(self._trained.model, self._test.faces, self._trained.recipe, told=told)
        return np.asarray(logits.argmax(1), np.int64)

    def accuracy(self, chosen: npt.NDArray[np.int64]) -> dict[str, float]:
        """The balanced share that is right, of all and by strength; calm clips count with every strength."""
        test, found = self._test, {"all": np.ones(len(self._test), bool)}
        for strength in np.unique(test.strength[test.strength > 0]):
            found[f"{strength:.2g}"] = (test.strength == strength) | (test.strength == 0)
        return {
            name: balanced(chosen[which], test.labels[which], test.classes) for name, which in found.items()
        }

    def measured(self) -> dict[str, dict[str, float]]:
        """By what the network is told: all in order, nothing, another order, the calm face as well."""
        memory = self._rows[:, :-1]
        order = np.random.default_rng(1)
        shuffled = np.stack([rows[order.permutation(len(rows))] for rows in memory])
        found = {
            "in order": self.answers(memory),
            "nothing remembered": self.answers(np.zeros_like(memory)),
            "shuffled": self.answers(shuffled),
            "with the calm face": self.answers(memory, self._rows[:, 0]),
        }
        return {name: self.accuracy(chosen) for name, chosen in found.items()}

    def identity(self) -> dict[str, float]:
        """Who it is, by a linear probe of the last frames: of what the decoupler leaves, and of the map."""
        maps = self.system.maps_of(self.network).of(self._test)[:, -1].float()
        with torch.no_grad():
            left = self.network.decoupler(maps)[0].mean((2, 3)).numpy().astype(np.float64)
        return {"left": who(self._test, left), "map": who(self._test, maps.mean((2, 3)).numpy())}


def balanced(chosen: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], classes: tuple[str, ...]) -> float:
    """The mean share that is right of each expression that is there, be it of few clips."""
    return float(np.mean(list(recalls(chosen, labels, classes, 1).values())))


def who(test: ClipSet, features: npt.NDArray[np.floating]) -> float:
    """Balanced accuracy of naming the person from another clip of the same person, in another expression.

    Of each person the first clip's expression fits, and one clip of each other expression is told by it; at
    full strength alone.
    """
    assert test.person is not None
    full = (test.strength == 0) | (test.strength == test.strength.max())
    first: dict[tuple[int, int], int] = {}
    for row in np.flatnonzero(full):
        first.setdefault((int(test.person[row]), int(test.labels[row])), int(row))
    rows = np.array(list(first.values()))
    several = [row for row in rows if (test.person[rows] == test.person[row]).sum() > 1]
    return ridge_probe(features[several].astype(np.float64), test.person[several])


def markdown(record: dict[str, Any]) -> str:
    """A table of the heads for each test, one of what they are told, one of who it is."""
    blocks, measured = [], {run["name"] for run in record["runs"]}
    for name, test in record["tests"].items():
        strengths = list(test[STILL])
        seen = [f"strength {each}" if each != "all" else "all" for each in strengths]
        rows = [f"| {name}, balanced accuracy | {' | '.join(seen)} |", "|---" * (len(seen) + 1) + "|"]
        rows.append(f"| {STILL}, last frame | {' | '.join(f'{test[STILL][k]:.1%}' for k in strengths)} |")
        for head in (each for each in HEADS if each in measured):
            runs = [run["tests"][name]["in order"] for run in record["runs"] if run["name"] == head]
            means = [float(np.mean([run[k] for run in runs])) for k in strengths]
            rows.append(f"| {head} | {' | '.join(f'{mean:.1%}' for mean in means)} |")
        blocks.append("\n".join(rows))
    for name in record["tests"]:
        told = list(record["runs"][0]["tests"][name])
        rows = [f"| {name}, all strengths | {' | '.join(told)} |", "|---" * (len(told) + 1) + "|"]
        for head in (each for each in HEADS if each in measured):
            runs = [run["tests"][name] for run in record["runs"] if run["name"] == head]
            means = [float(np.mean([run[k]["all"] for run in runs])) for k in told]
            rows.append(f"| {head} | {' | '.join(f'{mean:.1%}' for mean in means)} |")
        blocks.append("\n".join(rows))
    names = list(record["tests"])
    rows = [f"| who it is, by a linear probe | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    maps = [record["runs"][0]["identity"][name]["map"] for name in names]
    rows.append(f"| the trunk's map | {' | '.join(f'{share:.1%}' for share in maps)} |")
    for label in (each for each in PROBED if each in measured):
        runs = [run["identity"] for run in record["runs"] if run["name"] == label]
        means = [float(np.mean([run[name]["left"] for run in runs])) for name in names]
        rows.append(f"| {label} | {' | '.join(f'{mean:.1%}' for mean in means)} |")
    blocks.append("\n".join(rows))
    count = len({run["seed"] for run in record["runs"]})
    note = f"{count} seed{'s' * (count > 1)}. {record['date']}, `{record['command']}`"
    return "\n\n".join([*blocks, note])


def measure(
    clips: readers.DataSet,
    tests: Sequence[ClipSet],
    init: Path,
    out: Path,
    seeds: int,
    names: Sequence[str] = tuple(RUNS),
) -> Iterator[dict[str, Any]]:
    """Train what is not there yet, and measure all: what is known after each run. Raises FerliteError."""
    train, public = clips.split("train"), clips.split("public")
    used = (train, public, *tests)
    data = [{"name": each.name, "clips": len(each), "sha256": each.sha256} for each in used]
    record: dict[str, Any] = {"data": data, "tests": {}, "runs": []}
    for seed in range(1, seeds + 1):
        for name in names:
            changes = RUNS[name]
            folder = out / f"{''.join(c if c.isalnum() else '-' for c in name)}-{seed}"
            chosen = recipe_of(changes, seed)
            loop.fit(chosen, train, public, folder, threads=1, init=init, streams={"clips": train})
            trained = load_run(folder)
            run: dict[str, Any] = {"name": name, "seed": seed, "tests": {}, "identity": {}}
            for test in tests:
                tested = Tested(trained, test)
                run["tests"][test.making] = tested.measured()
                run["identity"][test.making] = tested.identity()
                # Without a memory every run answers as the trunk does.
                record["tests"][test.making] = {STILL: run["tests"][test.making]["nothing remembered"]}
            run["weights_sha256"] = trained.sha256
            record["runs"].append(run)
            yield record


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.systems.tfen", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--clips", type=Path, required=True, help="folder of packs to learn from")
    parser.add_argument("--test", type=Path, action="append", required=True, help="a pack that judges")
    parser.add_argument("--init", type=Path, required=True, help="weights of the trunk")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--only", action="append", choices=tuple(RUNS), help="of the runs (default: all)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each")
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    try:
        clips = readers.read(arguments.clips, 48)
        tests = [readers.read(path, 48).split("private") for path in arguments.test]
        if not all(isinstance(test, ClipSet) for test in tests):
            raise DataInvalid("every --test must be a pack of clips")
        shown = [test for test in tests if isinstance(test, ClipSet)]
        names = arguments.only or tuple(RUNS)
        for known in measure(clips, shown, arguments.init, arguments.out, arguments.seeds, names):
            record = about(arguments) | known
            # A stopped command leaves the runs that it has done.
            save(record, arguments.save)
    except FerliteError as error:
        print(f"tfen: {error}", file=sys.stderr)
        return 1
    print(markdown(record))
    return 0


def about(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the record says of its making."""
    return {
        "schema": 1,
        "kind": "ferlite tfen",
        **origin("benchmarks.systems.tfen"),
        "environment": environment(),
    }


if __name__ == "__main__":
    sys.exit(main())
