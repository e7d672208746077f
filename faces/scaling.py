"""From logits to weights that can be believed: a temperature, or a scale and a bias for each label.

Both are fitted on faces that the network did not learn from (Guo et al., ICML 2017). A temperature has one
number and never changes an answer; vector scaling has two for each label, so it can undo that a network says
"disgust" too seldom. Which of them is used is chosen by faces that neither was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge.bundle_sections import Scaling
from faces import metrics

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]
FOLDS, SEED = 5, 1
# Pulls towards the temperature; what 10,000 faces weigh ten times as much as. Keeps a label that is always
# told apart, or never there, from asking for an endless scale.
RIDGE = 1e-4
STEPS = 50
# Ten faces for each number fitted (Peduzzi et al., J. Clin. Epidemiol. 1996, of logistic models), and a label
# has two: with fewer, folds that luck divided well would choose.
FEWEST = 20


@dataclass(frozen=True)
class Held:
    """On faces left out of the fit: mean negative log-likelihood, ECE (0-1) and accuracy (0-1)."""

    nll: float
    ece: float
    accuracy: float


@dataclass(frozen=True)
class Fitted:
    """The scaling to use, what kind it is, the plain temperature, and how both did on held-out folds."""

    scaling: Scaling
    method: Literal["temperature", "vector"]
    temperature: float
    held_temperature: Held
    held_vector: Held


def fit(logits: Floats, labels: Indices) -> Fitted:
    """The scaling of ``logits`` [N, C] for ``labels`` [N].

    Vector scaling is taken where each label has ``FEWEST`` faces, and it makes held-out faces likelier than a
    temperature does, in five folds and by more than the standard error of the difference.
    """
    temperature = metrics.fit_temperature(logits, labels)
    kinds = {"temperature": _temperature, "vector": fit_vector}
    out = {kind: np.zeros(logits.shape) for kind in kinds}
    folds = np.random.default_rng(SEED).permutation(len(labels)) % FOLDS
    for fold in range(FOLDS):
        inside, outside = folds != fold, folds == fold
        for kind, fitter in kinds.items():
            out[kind][outside] = apply(fitter(logits[inside], labels[inside]), logits[outside])
    rows = np.arange(len(labels))
    costs = {kind: -metrics.log_softmax(each)[rows, labels] for kind, each in out.items()}
    gain = costs["temperature"] - costs["vector"]
    enough = np.bincount(labels, minlength=logits.shape[1]).min() >= FEWEST
    better = bool(enough and gain.mean() > gain.std() / len(gain) ** 0.5)
    chosen = (
        fit_vector(logits, labels)
        if better
        else _rounded(Scaling.of_temperature(temperature, logits.shape[1]))
    )
    held = {kind: _held(out[kind], labels) for kind in kinds}
    return Fitted(
        chosen, "vector" if better else "temperature", float(f"{temperature:.7g}"),
        held["temperature"], held["vector"],
    )  # fmt: skip


def fit_vector(logits: Floats, labels: Indices) -> Scaling:
    """The ``scale`` and ``bias`` per label that make ``labels`` [N] likeliest under ``logits`` [N, C].

    The cost is convex: damped Newton steps from the temperature's solution find its one minimum. A scale that
    would not be positive is left at the temperature's.
    """
    count, classes = logits.shape
    z = logits.astype(np.float64)
    start = np.concatenate([np.full(classes, 1 / metrics.fit_temperature(logits, labels)), np.zeros(classes)])
    wanted = np.eye(classes)[labels]

    def cost(w: Floats) -> float:
        logs = metrics.log_softmax(z * w[:classes] + w[classes:])
        return float(-logs[np.arange(count), labels].mean() + RIDGE / 2 * ((w - start) ** 2).sum())

    w = start
    for _ in range(STEPS):
        p = metrics.softmax(z * w[:classes] + w[classes:])
        u = np.concatenate([z, np.ones_like(z)], 1)
        slope = (np.tile(p - wanted, 2) * u).mean(0) + RIDGE * (w - start)
        curve = _curvature(np.tile(p, 2) * u, p, u, classes) / count + RIDGE * np.eye(2 * classes)
        step, size = np.linalg.solve(curve, slope), 1.0
        while cost(w - size * step) > cost(w) and size > 1e-6:
            size /= 2
        w = w - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    scale = np.where(w[:classes] > 0, w[:classes], start[:classes])
    bias = w[classes:] - w[classes:].mean()
    return _rounded(Scaling(tuple(map(float, scale)), tuple(map(float, bias))))


def _curvature(weighted: Floats, p: Floats, u: Floats, classes: int) -> Floats:
    """Second derivatives, summed over faces: p_c (1 if c = d else 0 - p_d) u_ci u_dj."""
    curve: Floats = -(weighted.T @ weighted)
    for first in (slice(0, classes), slice(classes, None)):
        for second in (slice(0, classes), slice(classes, None)):
            curve[first, second] += np.diag((p * u[:, first] * u[:, second]).sum(0))
    return curve


def apply(scaling: Scaling, logits: Floats) -> npt.NDArray[np.float64]:
    """Logits float64 [N, C], scaled: their softmax is the weights."""
    scaled: npt.NDArray[np.float64] = logits.astype(np.float64) * scaling.scale + scaling.bias
    return scaled


def _temperature(logits: Floats, labels: Indices) -> Scaling:
    return Scaling.of_temperature(metrics.fit_temperature(logits, labels), logits.shape[1])


def _rounded(scaling: Scaling) -> Scaling:
    """Six digits: more than any data set can tell, and the last bit of a sum stays out of the file."""
    return Scaling(
        *(tuple(float(f"{value:.6g}") for value in values) for values in (scaling.scale, scaling.bias))
    )


def _held(scaled: Floats, labels: Indices) -> Held:
    chances = metrics.softmax(scaled)
    return Held(
        float(-np.log(chances[np.arange(len(labels)), labels]).mean()),
        metrics.expected_calibration_error(chances, labels),
        metrics.accuracy(chances.argmax(1), labels),
    )
