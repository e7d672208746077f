"""From the values that pass through a tensor to the range that its integers stand for.

One definition for every engine whose quantizer can be given ranges (onnx, tflite); openvino has its own
estimators. This file needs numpy alone: the tflite environment's worker loads it by its path.

Methods: ``minmax``, the extremes over all faces; ``average``, the mean of each face's extremes (Jacob et al.,
CVPR 2018, take a moving average of them), which clips the rarer faces; ``percentile``, what so many per cent
of all values lie in (Krishnamoorthi, 2018); ``mse``, the range whose integers have the least squared error
(Nagel et al., 2021, section 3.1); ``entropy``, the range that keeps the distribution's information, by the
Kullback-Leibler divergence (Migacz, 8-bit inference with TensorRT, 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

METHODS = ("minmax", "average", "percentile", "mse", "entropy")
BINS = 2048
# How far a range may shrink while the best is looked for, and in how many steps.
SHRINK, STEPS = 0.05, 64
# With fewer values a bin, a histogram's own noise looks like information that a narrower range keeps.
ENOUGH = 32
Range = tuple[float, float]
Counts = npt.NDArray[np.float64]


class Ranges:
    """Watches tensors by name; ``levels`` is how many integers a range is divided among.

    ``see`` all values first; where ``needs_counts``, give all of them again to ``count``.
    """

    def __init__(self, method: str, percentile: float, levels: int = 256) -> None:
        self._method, self._percentile, self._levels = method, percentile, levels
        self._extremes: dict[str, Range] = {}
        self._sums: dict[str, tuple[float, float, int]] = {}
        self._counts: dict[str, Counts] = {}

    @property
    def needs_counts(self) -> bool:
        """Whether the method needs every value a second time."""
        return self._method in ("percentile", "mse", "entropy")

    def see(self, name: str, values: npt.NDArray[Any]) -> None:
        """Float [N, ...]: widen the extremes of ``name``, and average those of each of the N faces."""
        if values.size == 0:
            return
        rows = np.atleast_1d(values).reshape(values.shape[0] if values.ndim else 1, -1)
        lows, highs = rows.min(1), rows.max(1)
        low, high = self._extremes.get(name, (np.inf, -np.inf))
        self._extremes[name] = (min(low, float(lows.min())), max(high, float(highs.max())))
        below, above, faces = self._sums.get(name, (0.0, 0.0, 0))
        self._sums[name] = (below + float(lows.sum()), above + float(highs.sum()), faces + len(rows))

    def count(self, name: str, values: npt.NDArray[Any]) -> None:
        """Float [N, ...]: count the values of ``name`` in bins between its extremes."""
        low, high = self._extremes.get(name, (0.0, 0.0))
        if high <= low:
            return
        place = ((values.reshape(-1) - np.float32(low)) * np.float32(BINS / (high - low))).astype(np.int32)
        found = np.bincount(np.clip(place, 0, BINS - 1), minlength=BINS).astype(np.float64)
        self._counts[name] = self._counts.get(name, np.zeros(BINS)) + found

    def chosen(self) -> dict[str, Range]:
        """Every tensor's range by the method. Each holds 0, which a padding or a cut-off activation gives."""
        return {name: self._choose(name) for name in self._extremes}

    def _choose(self, name: str) -> Range:
        low, high = self._extremes[name]
        if self._method == "average":
            below, above, faces = self._sums[name]
            low, high = below / faces, above / faces
        elif self.needs_counts and name in self._counts:
            low, high = narrowed(
                self._counts[name], (low, high), self._method, self._percentile, self._levels
            )
        return min(low, 0.0), max(high, 0.0)


def narrowed(counts: Counts, extremes: Range, method: str, percentile: float, levels: int) -> Range:
    """The range within ``extremes`` that ``method`` takes for values counted [BINS] between them."""
    if method == "percentile":
        return _percentile(counts, extremes, percentile)
    if method == "entropy" and counts.sum() < ENOUGH * len(counts):
        return extremes
    cost = _squared_error if method == "mse" else _lost_information
    low, high = extremes
    centres = low + (np.arange(len(counts)) + 0.5) * (high - low) / len(counts)
    factors = np.geomspace(SHRINK, 1.0, STEPS)
    # One end after the other: a ReLU's zero stays, and two ends together would be STEPS squared.
    if high > 0:
        costs = [cost(counts, centres, (low, high * factor), levels) for factor in factors]
        high *= factors[int(np.argmin(costs))]
    if low < 0:
        costs = [cost(counts, centres, (low * factor, high), levels) for factor in factors]
        low *= factors[int(np.argmin(costs))]
    return float(low), float(high)


def _percentile(counts: Counts, extremes: Range, percentile: float) -> Range:
    low, high = extremes
    share = np.cumsum(counts) / counts.sum()
    cut = (1 - percentile / 100) / 2
    edges = np.linspace(low, high, len(counts) + 1)
    first = int(np.searchsorted(share, cut, side="right"))
    last = int(np.searchsorted(share, 1 - cut, side="left"))
    return float(edges[first]), float(edges[min(last, len(counts) - 1) + 1])


def _squared_error(counts: Counts, centres: Counts, span: Range, levels: int) -> float:
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    step = (high - low) / (levels - 1)
    clipped = np.clip(centres, low, high)
    rounded = low + np.round((clipped - low) / step) * step
    # Within a bin values lie anywhere: its width adds the same to every candidate's cost, so it is left out.
    return float((counts * (rounded - centres) ** 2).sum())


def _lost_information(counts: Counts, centres: Counts, span: Range, levels: int) -> float:
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    step = (high - low) / (levels - 1)
    inside = (centres >= low) & (centres <= high)
    kept = np.where(inside, counts, 0.0)
    first, last = int(np.argmax(inside)), len(counts) - 1 - int(np.argmax(inside[::-1]))
    wanted = kept.copy()
    wanted[first] += counts[:first].sum()
    wanted[last] += counts[last + 1 :].sum()
    level = np.round((np.clip(centres, low, high) - low) / step).astype(np.int64)
    filled = kept > 0
    total = np.bincount(level, kept, minlength=levels)
    bins = np.bincount(level, filled, minlength=levels)
    spread = np.where(filled, total[level] / np.maximum(bins[level], 1), 0.0)
    p, q = wanted / wanted.sum(), spread / max(spread.sum(), 1.0)
    # What is cut off into an empty bin cannot be told from nothing: a tiny share keeps the logarithm finite.
    used = p > 0
    return float((p[used] * np.log(p[used] / np.maximum(q[used], 1e-9))).sum())
