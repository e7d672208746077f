"""Which way the parts of a face go in a positive, a negative and a surprised movement: a linear reading.

What is told is ``edge.moments.tone``'s; the tone of a made movement is that of its actions
(``train.synth.actions``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from edge.bundle_files.sections import OTHER, TONES, TONES_AND_OTHER
from edge.moments.history import MOVES, RATE
from edge.moments.regions import Floats
from edge.moments.tone import direction, tone_of
from train.spotter.motion_set import KINDS, MotionSet

MOVED = (KINDS.index("micro"), KINDS.index("macro"))
DECAY = 0.0003  # of the mean squared weight, beside the mean loss
STEPS = 200


def ways(films: MotionSet) -> tuple[list[Floats], npt.NDArray[np.int64]]:
    """How the parts went from onset to apex, [regions, 2] each, in every movement, and its tone.

    A tone is its number among TONES_AND_OTHER, int64. Movements during which the face was lost are left out.
    """
    found, truth = [], []
    for event in np.flatnonzero(np.isin(films.kind, MOVED)):
        rows = films.rows[films.film[event]]
        onset, apex, _ = (min(len(rows) - 1, round(float(when) * RATE)) for when in films.times[event])
        parts = (rows[apex] - rows[onset])[:MOVES].astype(np.float32).reshape(-1, 2)
        if np.isfinite(parts).all():
            found.append(parts)
            truth.append(int(films.tone[event]))
    return found, np.array(truth, np.int64)


def fit(films: MotionSet) -> dict[str, tuple[float, ...]]:
    """``SpotRule.tones`` by logistic regression, each class as heavy as another; {} where one is missing."""
    parts, truth = ways(films)
    counts = np.bincount(truth, minlength=len(TONES_AND_OTHER))
    if not counts.all():
        return {}
    x = torch.from_numpy(np.stack([direction(each) for each in parts]))
    y = torch.from_numpy(truth)
    balance = torch.from_numpy(len(truth) / (len(TONES_AND_OTHER) * counts)).float()
    weights = torch.zeros(len(TONES_AND_OTHER), x.shape[1], requires_grad=True)
    solver = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        value = F.cross_entropy(x @ weights.T, y, balance) + DECAY * (weights[:, :-1] ** 2).sum()
        value.backward()
        return value

    solver.step(loss)
    rows = weights.detach().numpy()
    return {
        name: tuple(round(float(value), 3) for value in row)
        for name, row in zip(TONES_AND_OTHER, rows, strict=True)
    }


def judged(films: MotionSet, tones: Mapping[str, tuple[float, ...]]) -> dict[str, Any]:
    """Of each class's movements, how many were given which tone, at their true times; JSON-ready."""
    parts, truth = ways(films)
    counts = Counter(
        (TONES_AND_OTHER[true], tone_of(way, tones) or OTHER) for way, true in zip(parts, truth, strict=True)
    )
    return {true: {told: counts[true, told] for told in TONES_AND_OTHER} for true in TONES_AND_OTHER}


def right_and_wrong(told: Mapping[str, Mapping[str, int]]) -> str:
    """What ``judged`` counted, in words."""
    right = sum(told[name][name] for name in TONES)
    wrong = sum(row[name] for true, row in told.items() for name in TONES if name != true)
    movements = sum(sum(row.values()) for row in told.values())
    return f"of {movements} movements at their true times right for {right} and wrong for {wrong}"
