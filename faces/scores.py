"""One account of how well a classifier does on a set of faces: right, by expression, honest, and unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from faces import metrics

# An expression with fewer faces says nothing of itself, and would weigh a seventh of the mean.
FEWEST = 10


@dataclass(frozen=True)
class ClassScore:
    """One expression: how many faces have it, and how it was told; shares 0-1, 0 where nothing divides."""

    count: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Score:
    """Weights held against labels; all shares 0-1.

    ``interval``: the accuracy's 95 % confidence (Wilson). ``balanced``: mean recall of the expressions that
    have ``FEWEST`` faces or more (None: none has). ``macro_f1``: mean F1 of all. ``per_class``: in the order
    of the classes. ``confusion``: a row per label, a column per answer. ``ece``: expected calibration error.
    ``uncertain``: how many weights stay below the bound that a bundle calls low (None: no bound).
    """

    count: int
    accuracy: float
    interval: list[float]
    balanced: float | None
    macro_f1: float
    per_class: Mapping[str, ClassScore]
    confusion: list[list[int]]
    ece: float
    uncertain: float | None

    @property
    def recall(self) -> dict[str, float]:
        """Of the expressions that have ``FEWEST`` faces or more."""
        return {label: each.recall for label, each in self.per_class.items() if each.count >= FEWEST}


def score(
    weights: npt.NDArray[np.floating[Any]],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    bound: float | None = None,
) -> Score:
    """``weights`` [N, C] in the order of ``classes`` against ``labels`` [N]. Raises DataInvalid for N = 0."""
    if len(labels) == 0:
        raise DataInvalid("there is no labelled face to score")
    chosen = weights.argmax(1)
    right = metrics.accuracy(chosen, labels)
    precision, recall, f1 = metrics.precision_recall_f1(chosen, labels, len(classes))
    confusion = metrics.confusion(chosen, labels, len(classes))
    seen = recalls(chosen, labels, classes)
    return Score(
        count=len(labels),
        accuracy=right,
        interval=list(metrics.wilson_interval(right, len(labels))),
        balanced=float(np.mean(list(seen.values()))) if seen else None,
        macro_f1=float(f1.mean()),
        per_class={
            label: ClassScore(int(confusion[k].sum()), float(precision[k]), float(recall[k]), float(f1[k]))
            for k, label in enumerate(classes)
        },
        confusion=confusion.tolist(),
        ece=metrics.expected_calibration_error(weights, labels),
        uncertain=None if bound is None else float((weights.max(1) < bound).mean()),
    )


def recalls(
    chosen: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    fewest: int = FEWEST,
) -> dict[str, float]:
    """Share of each expression's faces that were called by its name, where it has ``fewest`` or more."""
    return {
        label: float((chosen[labels == k] == k).mean())
        for k, label in enumerate(classes)
        if (labels == k).sum() >= fewest
    }


def balanced_accuracy(
    chosen: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> float:
    """Mean of ``recalls``, 0-1: an expression that is rare counts as much as one that is not."""
    found = recalls(chosen, labels, classes) or recalls(chosen, labels, classes, 1)
    return float(np.mean(list(found.values())))
