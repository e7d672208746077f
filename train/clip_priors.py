"""How common labels are among clips of each making, as they are drawn: what a head must not learn.

Of photographs nine in ten smile or are calm, and of rendered heads two in seven: a head that learnt labels as
they come would learn to tell photographs. It is told instead (balanced softmax, ``train.lessons``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from faces.clip_set import ClipSet

RARE = 0.01  # share of a label that a making has none of: rare, and not impossible


def draws(clips: ClipSet) -> npt.NDArray[np.float64]:
    """How often each clip is drawn, float64 [N], summing to 1.

    Each making comes as often, and of each a label by the root of how often it is there.
    """
    weights = np.zeros(len(clips))
    for rows in _origins(clips):
        counts = np.bincount(clips.labels[rows], minlength=len(clips.classes))
        own = 1 / np.sqrt(counts[clips.labels[rows]])
        weights[rows] = own / own.sum()
    return np.asarray(weights / weights.sum(), np.float64)


def log_priors(clips: ClipSet, backward: float, calm: int) -> npt.NDArray[np.float32]:
    """For each clip the log of how common labels are where it comes from, float32 [N, labels].

    Clips come as in ``draws``, and a share ``backward`` of them runs backward, to the label ``calm``.
    """
    weights, classes = draws(clips), len(clips.classes)
    found = np.zeros((len(clips), classes), np.float32)
    for rows in _origins(clips):
        shares = np.bincount(clips.labels[rows], weights[rows], classes)
        shares *= (1 - backward) / shares.sum()
        shares[calm] += backward
        found[rows] = np.log((shares + RARE) / (1 + classes * RARE))
    return found


def _origins(clips: ClipSet) -> list[npt.NDArray[np.int64]]:
    """The rows of each making that is among ``clips``."""
    if clips.made is None:
        return [np.arange(len(clips))]
    return [np.flatnonzero(clips.made == making) for making in np.unique(clips.made)]
