"""One account of how well a classifier does on a set of faces: right, by expression, honest, and unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from faces import metrics

# An expression with fewer faces says nothing of itself, and would weigh a seventh of the mean.
FEWEST = 10


@dataclass(frozen=True)
class Score:
    """Weights held against labels; all shares 0-1.

    ``interval``: the accuracy's 95 % confidence (Wilson). ``balanced``: mean recall of the expressions that
    have ``FEWEST`` faces or more, which ``recall`` lists (None: none has); ``counts`` has all. ``ece``:
    expected calibration error. ``uncertain``: how many weights stay below the bound that a bundle calls low.
    """

    faces: int
    accuracy: float
    interval: tuple[float, float]
    balanced: float | None
    recall: Mapping[str, float]
    counts: Mapping[str, int]
    ece: float
    uncertain: float


def score(
    weights: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    bound: float = 0.0,
) -> Score:
    """``weights`` [N, C] in the order of ``classes`` against ``labels`` [N]. Raises DataInvalid for N = 0."""
    if len(labels) == 0:
        raise DataInvalid("there is no labelled face to score")
    chosen = weights.argmax(1)
    right = metrics.accuracy(chosen, labels)
    low, high = metrics.wilson_interval(right, len(labels))
    counts = np.bincount(labels, minlength=len(classes))
    recall = recalls(chosen, labels, classes)
    return Score(
        faces=len(labels),
        accuracy=round(right, 5),
        interval=(round(low, 4), round(high, 4)),
        balanced=round(float(np.mean(list(recall.values()))), 5) if recall else None,
        recall={label: round(value, 4) for label, value in recall.items()},
        counts={label: int(count) for label, count in zip(classes, counts, strict=True)},
        ece=round(metrics.expected_calibration_error(weights, labels), 5),
        uncertain=round(float((weights.max(1) < bound).mean()), 4),
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
