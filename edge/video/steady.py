"""A calm reading of one face over time that still follows a true change at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Chosen with ``python -m benchmarks.pace``, as the intervals of edge/video/pace.py were.
JUMP = 0.5  # of all weight: a reading that is so far from the calm one has found a change, or is an accident
CONFIRMED = 0.25  # seconds: the next reading says which, if it comes so soon
MARGIN = 0.1  # weight by which another expression must lead to be named
HOLD = 0.5  # seconds that it must lead to be named with less


class Steady:
    """Smooths the weights of one face, and names its expression without flicker.

    Smoothing is exponential with time constant ``smooth`` seconds, so that its effect does not depend on how
    often the face is read; between readings the last one counts on. Two readings in a row that both name
    another expression, far from the calm weights, are a change and are taken as they are. 0 switches all off.
    """

    def __init__(self, smooth: float) -> None:
        self._smooth = smooth
        self._read: Sequence[float] = ()
        self._calm: Sequence[float] = ()
        self._time = 0.0
        self._change: tuple[int, float] | None = (
            None  # the expression that a lone reading changed to, and when
        )
        self._lead: float | None = None  # since when another expression leads
        self.expression = 0

    @property
    def unsure(self) -> bool:
        """Whether the last reading may be a change: the face should be read again in the next frame."""
        return self._change is not None

    def take(self, weights: Sequence[float], now: float) -> None:
        """A reading at ``now`` in seconds: a weight for each expression, which sum to 1."""
        before, self._read = self._read, weights
        heaviest = weights.index(max(weights))
        if not before or self._smooth <= 0:
            self._calm, self._time, self.expression = weights, now, heaviest
            return
        far = sum(abs(new - old) for new, old in zip(weights, self._calm, strict=True)) / 2 >= JUMP
        if not far or heaviest == self.expression:
            self._change = None
        elif self._change and self._change[0] == heaviest and now - self._change[1] <= CONFIRMED:
            self._calm = [(new + old) / 2 for new, old in zip(weights, before, strict=True)]
            self._time, self.expression, self._change, self._lead = now, heaviest, None, None
        else:
            self._change = heaviest, now

    def at(self, now: float) -> Sequence[float]:
        """The calm weights at ``now``; they still sum to 1. ``expression`` is then the one to name."""
        if self._smooth <= 0:
            return self._calm
        share = 1 - math.exp(-max(0.0, now - self._time) / self._smooth)
        # Of so few numbers, plain Python is done before numpy has begun.
        self._calm = [old + share * (new - old) for old, new in zip(self._calm, self._read, strict=True)]
        self._time = now
        self._name(now)
        return self._calm

    def _name(self, now: float) -> None:
        heaviest = self._calm.index(max(self._calm))
        if heaviest == self.expression:
            self._lead = None
            return
        if self._lead is None:
            self._lead = now
        if self._calm[heaviest] - self._calm[self.expression] >= MARGIN or now - self._lead >= HOLD:
            self.expression, self._lead = heaviest, None
