"""What a run's features know and bear: the ablation's numbers, always the same, in seconds.

A linear probe is a ridge regression in closed form on the features that the last layer sees: half of the
faces fit it, the other half are told apart by it. It has no seed and no training noise, so that a difference
between two runs is theirs. What a domain probe finds is how well source and target can be told apart: 50 %
where the features say nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge import files
from edge.classify import at_size
from edge.errors import DataInvalid
from faces.corruptions import KINDS, STRENGTHS, corrupt
from faces.crop_rule import crop_rule_of
from faces.face_set import FaceSet
from faces.labels import refuse_other
from faces.metrics import accuracy
from faces.scores import balanced_accuracy
from train import occlusion
from train.checkpoint import Trained
from train.classifier import describe_run
from train.evaluate import environment
from train.predict import predict

KIND, SCHEMA = "ferlite-probe", 1
RIDGE = 1e-2  # penalty, as a share of the features' mean variance
MOST = 4000  # faces of each domain that a probe looks at
PROBES = ("labels", "domain", "light", "occlusion")
LIGHT = ("dark", "bright", "contrast")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One figure, 0-1: what was ``probed``, on which ``data``, of the run and of what it is held against."""

    probed: str
    data: str
    run: float
    against: float | None = None


def features(trained: Trained, faces: npt.NDArray[np.uint8]) -> Floats:
    """What the network's last linear layer sees of faces uint8 [N, H, W]: float64 [N, F]."""
    last = [module for module in trained.model.modules() if isinstance(module, nn.Linear)][-1]
    seen: list[npt.NDArray[np.float32]] = []

    def keep(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        seen.append(inputs[0].float().cpu().numpy())

    handle = last.register_forward_pre_hook(keep)
    try:
        predict(trained.model, faces, trained.recipe)
    finally:
        handle.remove()
    return np.concatenate(seen).astype(np.float64)


def ridge_probe(given: Floats, classes: npt.NDArray[np.int64]) -> float:
    """Balanced accuracy of a linear probe for ``classes`` [N] of features [N, F], on faces left out.

    Every other face of each class fits it. Raises DataInvalid for a class of fewer than two.
    """
    names = np.unique(classes)
    fits = np.zeros(len(classes), bool)
    for name in names:
        those = np.flatnonzero(classes == name)
        if len(those) < 2 or len(names) < 2:
            raise DataInvalid("a linear probe needs two classes or more, and two faces or more of each")
        fits[those[::2]] = True
    middle, spread = given[fits].mean(0), given[fits].std(0)
    x = (given - middle) / np.maximum(spread, 1e-9)
    # Each class weighs alike, however many faces it has.
    weights = 1 / np.array([(classes[fits] == name).sum() for name in classes[fits]])
    y = (classes[fits, None] == names).astype(np.float64)
    offset = (weights[:, None] * y).sum(0) / weights.sum()
    inner = (x[fits] * weights[:, None]).T
    gram = inner @ x[fits]
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    answers = x[~fits] @ np.linalg.solve(gram, inner @ (y - offset)) + offset
    chosen = names[answers.argmax(1)]
    truth = classes[~fits]
    return float(np.mean([(chosen[truth == name] == name).mean() for name in names]))


def domain_probe(trained: Trained, source: FaceSet, target: FaceSet) -> float:
    """How well a linear probe tells ``source`` from ``target`` by the run's features."""
    count = min(MOST, len(source), len(target))
    parts = [faces.take(np.linspace(0, len(faces) - 1, count).astype(int)) for faces in (source, target)]
    given = np.concatenate([features(trained, sized(trained, part)) for part in parts])
    return ridge_probe(given, np.repeat([0, 1], count))


def sized(trained: Trained, faces: FaceSet) -> npt.NDArray[np.uint8]:
    """The pictures as large as the network's input at most, as the runtime would feed them."""
    size = trained.recipe.model.input_size
    if faces.faces.shape[1] <= size:
        return faces.faces
    return np.stack([at_size(face, size) for face in faces.faces])


def answers(trained: Trained, faces: FaceSet) -> npt.NDArray[np.int64]:
    """What the run calls each face, int64 [N]."""
    return np.asarray(predict(trained.model, sized(trained, faces), trained.recipe).argmax(1), np.int64)


def rows_of(
    trained: Trained, source: FaceSet, others: Sequence[FaceSet], test: FaceSet, only: Sequence[str] = ()
) -> dict[tuple[str, str], float]:
    """The figures of one run by (what was probed, data). Raises DataInvalid for data of other labels.

    ``only``: those of PROBES that are wanted; none given: all, but occlusion where landmarks are not known.
    """
    for each in (source, test, *others):
        refuse_other(f"run '{trained.path}'", trained.recipe.labels, each.name, each.classes)
    wanted = only or [name for name in PROBES if name != "occlusion" or test.landmarks is not None]
    found: dict[tuple[str, str], float] = {}
    if "labels" in wanted:
        found |= _on_labels(trained, others, test)
    if "domain" in wanted:
        for other in others:
            found["domain", f"{source.name} / {other.name}"] = domain_probe(trained, source, other)
    if "light" in wanted:
        found |= _in_bad_light(trained, test)
    if "occlusion" in wanted:
        found |= occlusion.rows_of(trained, test)
    return found


def _on_labels(trained: Trained, others: Sequence[FaceSet], test: FaceSet) -> dict[tuple[str, str], float]:
    """Of the test, and on the other domains."""
    chosen = answers(trained, test)
    found = {
        ("accuracy", test.name): accuracy(chosen, test.labels),
        ("balanced accuracy", test.name): balanced_accuracy(chosen, test.labels, test.classes),
    }
    for other in others:
        chosen = answers(trained, other)
        found["balanced accuracy", other.name] = balanced_accuracy(chosen, other.labels, other.classes)
    return found


def _in_bad_light(trained: Trained, test: FaceSet) -> dict[tuple[str, str], float]:
    """Of the test in each of LIGHT, at each strength."""
    rule, found = crop_rule_of("fer2013"), {}
    for kind in (each for each in LIGHT if each in KINDS):
        for strength in range(STRENGTHS):
            worse = corrupt(test.faces, kind, strength, rule)
            logits = predict(trained.model, worse, trained.recipe)
            name = f"{test.name}, {kind} {strength + 1}"
            found["accuracy", name] = accuracy(np.asarray(logits.argmax(1)), test.labels)
    return found


def probe(
    trained: Trained,
    against: Trained | None,
    source: FaceSet,
    others: Sequence[FaceSet],
    test: FaceSet,
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """The record of a run, held ``against`` another where there is one; JSON-ready.

    ``source`` is what they learnt from, ``others`` are domains, ``test`` labelled faces of the source's kind.
    ``only``: see ``rows_of``. Raises DataInvalid.
    """
    ours = rows_of(trained, source, others, test, only)
    theirs = rows_of(against, source, others, test, only) if against else {}
    rows = [
        Row(probed, data, round(value, 5), _rounded(theirs.get((probed, data))))
        for (probed, data), value in ours.items()
    ]
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "run": about(trained),
        "against": about(against) if against else None,
        "data": used((source, *others, test)),
        "environment": environment(),
        "rows": [asdict(row) for row in rows],
    }


def used(sets: Sequence[FaceSet]) -> list[dict[str, Any]]:
    """Which faces they are, JSON-ready."""
    return [{"name": each.name, "faces": len(each), "sha256": each.sha256} for each in sets]


def about(trained: Trained) -> dict[str, Any]:
    """Which run it is, JSON-ready."""
    return describe_run(trained) | {"system": asdict(trained.recipe.system)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def read(path: Path) -> dict[str, Any]:
    """A record that ``probe`` made. Raises DataInvalid."""
    return files.read_record(path, KIND, SCHEMA, "ferlite train probe --record")


HEADINGS = ("probed", "data", "run", "against", "points")


def cells(record: dict[str, Any]) -> list[list[str]]:
    """The record's rows as words, under ``HEADINGS``: shares in per cent, their difference in points."""
    lines = []
    for row in record["rows"]:
        other = row["against"]
        gain = "-" if other is None else f"{100 * (row['run'] - other):+.1f}"
        shown = "-" if other is None else f"{other:.1%}"
        lines.append([row["probed"], row["data"], f"{row['run']:.1%}", shown, gain])
    return lines


def title(record: dict[str, Any]) -> str:
    """Who was probed, against whom."""
    against = record["against"]
    name = str(record["run"]["name"])
    return f"{name} against {against['name']}" if against else name


def as_text(record: dict[str, Any]) -> str:
    """The record as a table for a terminal."""
    lines = [title(record), f"{'probed':18} {'data':34} {'run':>7} {'against':>8} {'points':>7}"]
    lines += [
        f"{probed:18} {data:34} {run:>7} {against:>8} {points:>7}"
        for probed, data, run, against, points in cells(record)
    ]
    return "\n".join(lines)
