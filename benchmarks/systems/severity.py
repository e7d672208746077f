"""Whether a network of newborns' states sees more pain where more of its signs are shown.

    python -m benchmarks.systems.severity RUN ... --heads makehuman_head.npz --save NAME.json

Babies that no training pack holds are rendered from calm to all signs of severe pain, in eleven steps; view,
light and camera are one baby's own. Severity is what the network gives for severe pain, and half of what it
gives for mild pain. Rendered, every one: nothing here says how a real newborn is read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.record import origin, save
from edge.errors import FerliteError, UsageError
from faces.crop_rule import crop_rule_of
from faces.metrics import softmax
from train import loop, probe
from train.checkpoint import Trained, load_run
from train.evaluate import environment
from train.landmarks.judge import auc
from train.predict import predict
from train.synth import actions, newborns, scene, skin
from train.synth.dataset import cut
from train.synth.families import load_heads
from train.synth.mesh import Heads
from train.synth.render import render

FIRST = 500_000  # no pack of 'ferlite train synth' that anybody made begins so late
STEPS = 11
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Babies:
    """``faces`` uint8 [N, S, S], the ``person`` of each [N] and how much pain it shows, ``strength`` [N]."""

    faces: npt.NDArray[np.uint8]
    person: npt.NDArray[np.int64]
    strength: Floats


def babies(heads: Heads, count: int, side: int) -> Babies:
    """Each of ``count`` babies at every strength, faces of ``side`` pixels."""
    rule, painted, fine = crop_rule_of("fer2013"), skin.paint(heads.head(0)), max(96, round(side * 1.8))
    faces, people, strengths = [], [], []
    for person in range(FIRST, FIRST + count):
        head, own = heads.head(person), np.random.default_rng([4, person])
        who = skin.newborn(skin.draw_complexion(np.random.default_rng([2, person])))
        view, light, camera = scene.draw_view(own, 15.0), scene.draw_light(own), scene.draw_camera(own)
        behind = scene.draw_background(own, 2 * fine)
        for strength in np.linspace(0, 1, STEPS):
            units = head.able(actions.units_of(newborns.in_pain(float(strength)), 0.0))
            taken = render(head, units, painted, who, view=view, light=light, size=fine, behind=behind)
            noise = np.random.default_rng([5, person, round(10 * float(strength))])
            faces.append(scene.photograph(cut(taken, rule, side)[0], camera, noise))
            people.append(person)
            strengths.append(float(strength))
    return Babies(np.stack(faces), np.array(people), np.array(strengths))


def ranks(values: Floats) -> Floats:
    """From 0, those that are alike sharing the mean of theirs."""
    order = np.sort(values)
    low, high = np.searchsorted(order, values), np.searchsorted(order, values, side="right")
    return np.asarray((low + high - 1) / 2, np.float64)


def rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman's, -1 to 1; 0 where one of them never changes."""
    left, right = (each - each.mean() for each in (ranks(one), ranks(other)))
    spread = float(np.sqrt((left**2).sum() * (right**2).sum()))
    return float((left * right).sum()) / spread if spread else 0.0


def severity(trained: Trained, made: Babies) -> Floats:
    """What the network says of each face, 0-1. Raises UsageError for one that knows no pain."""
    labels = trained.recipe.labels
    if "severe_pain" not in labels:
        raise UsageError(f"run '{trained.path}' knows {', '.join(labels)}: give one of the system neonatal")
    shares = softmax(predict(trained.model, made.faces, trained.recipe).astype(np.float64))
    severe, mild = (shares[:, labels.index(name)] for name in ("severe_pain", "mild_pain"))
    return np.asarray(severe + mild / 2, np.float64)


def rows_of(trained: Trained, made: Babies) -> list[dict[str, Any]]:
    """The figures of one run, as a probe's rows."""
    told, data = severity(trained, made), f"{len(set(made.person))} rendered babies never learnt from"
    own = [
        rank_correlation(made.strength[made.person == each], told[made.person == each])
        for each in np.unique(made.person)
    ]
    figures: dict[str, float | None] = {
        "rank correlation of strength and severity": rank_correlation(made.strength, told),
        "the same, the mean of each baby's own": float(np.mean(own)),
    }
    for name, least in (("all signs of pain", 0.95), ("half of them or more", 0.45)):
        kept = (made.strength == 0) | (made.strength > least)
        figures[f"AUC, {name} against calm"] = auc(told[kept], made.strength[kept] > 0)
    return [
        {"probed": probed, "data": data, "value": round(value, 5)}
        for probed, value in figures.items()
        if value is not None
    ]


def measure(runs: Sequence[Trained], heads: Heads, count: int) -> dict[str, Any]:
    """The record, JSON-ready, but for its origin."""
    made = babies(heads, count, runs[0].recipe.model.input_size)
    found = [{"run": probe.about(each), "rows": rows_of(each, made)} for each in runs]
    return {
        "schema": 1,
        "kind": "ferlite ablation",
        "data": [],
        "environment": environment(),
        "runs": found,
    }


def table(record: dict[str, Any]) -> str:
    """A row for each figure, a column for each run."""
    titles = [f"{each['run']['backbone']}" for each in record["runs"]]
    lines = [f"| | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for number, row in enumerate(record["runs"][0]["rows"]):
        shown = [f"{each['rows'][number]['value']:.2f}" for each in record["runs"]]
        lines.append(f"| {row['probed']} | {' | '.join(shown)} |")
    data = record["runs"][0]["rows"][0]["data"]
    return "\n".join([*lines, "", f"{data}, {STEPS} pictures each. {record['date']}, `{record['command']}`"])


def main() -> int:
    """Render, ask, print, save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.systems.severity", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, or weights")
    parser.add_argument("--heads", type=Path, required=True, help="makehuman_head.npz")
    parser.add_argument("--people", type=int, default=40, help="babies (default: %(default)s)")
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    try:
        loop.use_threads(1)
        runs = [load_run(path) for path in arguments.runs]
        record = measure(runs, load_heads(arguments.heads, ("baby",)), max(1, arguments.people))
    except FerliteError as error:
        print(f"severity: {error}", file=sys.stderr)
        return 1
    record |= origin("benchmarks.systems.severity")
    print(table(record))
    save(record, arguments.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
