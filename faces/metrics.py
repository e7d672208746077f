"""Figures of merit: how often a classifier is right, and how far its weights can be believed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]


def accuracy(predicted: Indices, labels: Indices) -> float:
    """Share of ``predicted`` [N] equal to ``labels`` [N]."""
    return float((predicted == labels).mean())


def confusion(predicted: Indices, labels: Indices, classes: int) -> Indices:
    """Counts [classes, classes]: row the label, column the prediction."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (labels, predicted), 1)
    return table


def precision_recall_f1(predicted: Indices, labels: Indices, classes: int) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 per class, float64 [classes] each; 0 where there is nothing to divide by."""
    table = confusion(predicted, labels, classes)
    right, said, there = table.diagonal(), table.sum(0), table.sum(1)
    return _ratio(right, said), _ratio(right, there), _ratio(2 * right, said + there)


def f1_per_class(predicted: Indices, labels: Indices, classes: int) -> Floats:
    """F1 score per class, float64 [classes]; 0 where a class is neither present nor predicted."""
    return precision_recall_f1(predicted, labels, classes)[2]


def _ratio(part: Indices, whole: Indices) -> Floats:
    result: Floats = np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
    return result


def macro_f1(predicted: Indices, labels: Indices, classes: int) -> float:
    """Mean of the per-class F1 scores: disgust counts as much as happiness."""
    return float(f1_per_class(predicted, labels, classes).mean())


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share seen in ``count`` trials (Wilson, JASA 1927)."""
    z = 1.959964
    middle = share + z * z / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return (middle - reach) / scale, (middle + reach) / scale


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities [N, C] of logits [N, C] divided by ``temperature``."""
    result: Floats = np.exp(log_softmax(logits, temperature))
    return result


def log_softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Log-probabilities [N, C] of logits [N, C] divided by ``temperature``."""
    scaled: Floats = logits.astype(np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    result: Floats = scaled - np.log(np.exp(scaled).sum(1, keepdims=True))
    return result


def fit_temperature(logits: Floats, labels: Indices) -> float:
    """The temperature that makes ``labels`` [N] likeliest under ``logits`` [N, C] (Guo et al., ICML 2017).

    Negative log-likelihood is unimodal in the temperature; a golden-section search over 0.05-20 finds it.
    """
    rows = np.arange(len(labels))
    return lowest(lambda temperature: float(-log_softmax(logits, temperature)[rows, labels].mean()))


def lowest(cost: Callable[[float], float]) -> float:
    """The temperature between 0.05 and 20 that costs least; ``cost`` must fall and then rise."""
    low, high, golden = math.log(0.05), math.log(20.0), (5**0.5 - 1) / 2
    while high - low > 1e-4:
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if cost(math.exp(left)) < cost(math.exp(right)) else (left, high)
    return math.exp((low + high) / 2)


@dataclass(frozen=True)
class ConfidenceBin:
    """The answers whose confidence fell into one bin: how many, how sure (0-1) and how often right (0-1)."""

    count: int
    confidence: float
    accuracy: float


def reliability(probabilities: Floats, labels: Indices, bins: int = 15) -> list[ConfidenceBin]:
    """``bins`` equal-width bins of confidence from 0 to 1; an empty bin has zeros."""
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    found = []
    for b in range(bins):
        inside = index == b
        count = int(inside.sum())
        sure, right = (confidence[inside].mean(), correct[inside].mean()) if count else (0.0, 0.0)
        found.append(ConfidenceBin(count, float(sure), float(right)))
    return found


def expected_calibration_error(probabilities: Floats, labels: Indices, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al., ICML 2017), 0-1."""
    return sum(
        each.count / len(labels) * abs(each.accuracy - each.confidence)
        for each in reliability(probabilities, labels, bins)
    )
