"""How good a classifier is, and how far its weights can be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from train.data import LABELS

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]


def accuracy(predicted: Indices, labels: Indices) -> float:
    """Share of ``predicted`` [N] equal to ``labels`` [N]."""
    return float((predicted == labels).mean())


def confusion(predicted: Indices, labels: Indices) -> Indices:
    """Counts [7, 7]: row the label, column the prediction."""
    table = np.zeros((len(LABELS), len(LABELS)), np.int64)
    np.add.at(table, (labels, predicted), 1)
    return table


def f1_per_class(predicted: Indices, labels: Indices) -> Floats:
    """F1 score per class, float64 [7]; 0 where a class is neither present nor predicted."""
    table = confusion(predicted, labels)
    total = table.sum(0) + table.sum(1)
    return np.divide(2 * table.diagonal(), total, out=np.zeros(len(LABELS)), where=total > 0)


def macro_f1(predicted: Indices, labels: Indices) -> float:
    """Mean of the per-class F1 scores: disgust counts as much as happiness."""
    return float(f1_per_class(predicted, labels).mean())


def log_softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Log-probabilities [N, C] of logits [N, C] divided by ``temperature``."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    result: Floats = scaled - np.log(np.exp(scaled).sum(1, keepdims=True))
    return result


def fit_temperature(logits: Floats, labels: Indices) -> float:
    """The temperature that makes ``labels`` [N] likeliest under ``logits`` [N, C] (Guo et al., ICML 2017).

    Negative log-likelihood is unimodal in the temperature; a golden-section search over 0.05-20 finds it.
    """
    rows = np.arange(len(labels))

    def cost(log_t: float) -> float:
        return float(-log_softmax(logits, float(np.exp(log_t)))[rows, labels].mean())

    low, high, golden = np.log(0.05), np.log(20.0), (5**0.5 - 1) / 2
    while high - low > 1e-4:
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if cost(left) < cost(right) else (left, high)
    return float(np.exp((low + high) / 2))


def expected_calibration_error(probabilities: Floats, labels: Indices, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al., ICML 2017), 0-1."""
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = 0.0
    for b in range(bins):
        inside = index == b
        if inside.any():
            gap += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return float(gap)
