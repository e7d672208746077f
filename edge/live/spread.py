"""How numbers are spread, in bounded memory however many there are."""

from __future__ import annotations

import math
from itertools import accumulate

LEAST, RATIO = 1e-5, 1.02
STEPS = 900  # to LEAST * RATIO**STEPS: ten minutes, where the numbers are seconds


class Spread:
    """Counts positive numbers in classes that are 2 % wide, so that a quantile is right within 1 %."""

    def __init__(self) -> None:
        self._counts = [0] * STEPS
        self.count = 0

    def add(self, value: float) -> None:
        """One number more; below LEAST it counts as that."""
        step = int(math.log(max(value, LEAST) / LEAST) / math.log(RATIO))
        self._counts[min(step, STEPS - 1)] += 1
        self.count += 1

    def quantile(self, share: float) -> float | None:
        """The number that a ``share`` (0-1) of all do not exceed; None where there is none."""
        if not self.count:
            return None
        rank = max(1, math.ceil(share * self.count))
        step = next(index for index, below in enumerate(accumulate(self._counts)) if below >= rank)
        return LEAST * math.sqrt(RATIO) * RATIO**step
