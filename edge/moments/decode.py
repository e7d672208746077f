"""From what a network says of each moment to movements: when each began, was strongest and was over."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import SpotRule
from edge.moments.regions import Floats
from edge.moments.rule import MICRO, SHORTEST

OUTPUTS = ("movement", "onset", "apex", "offset")  # what is told of a moment
Times = npt.NDArray[np.float64]
AROUND = 0.08  # seconds from where a movement seems to begin and end in which its bounds are looked for
SURE = 0.1  # of a bound: what is less sure leaves it where the movement seems to begin, or end


@dataclass(frozen=True)
class Found:
    """A short movement: seconds, and how surely it is one, 0-1."""

    onset: float
    apex: float
    offset: float
    surely: float


class Decoder:
    """Takes the moments of one face in the order of time, and gives the movements that are over."""

    def __init__(self, rule: SpotRule) -> None:
        self._rule = rule
        self.restart()

    def restart(self) -> None:
        """Forget what was."""
        self._past: deque[tuple[float, Floats]] = deque()
        self._begun: float | None = None
        self._over: float | None = None

    def __call__(self, time: float, told: Floats) -> Found | None:
        """``told`` float32 [outputs] of the moment at ``time`` in seconds, 0-1 each."""
        self._past.append((time, told))
        while self._past[0][0] < time - 2 * (MICRO + AROUND):
            self._past.popleft()
        inside = float(told[0])
        if self._over is not None:
            # What comes again before the bounds were looked for is the same movement.
            if inside >= self._rule.begin:
                self._over = None
            elif time >= self._over + AROUND:
                return self._finish()
        elif self._begun is not None:
            if inside < self._rule.end:
                self._over = time
        elif inside >= self._rule.begin:
            earlier = [at for at, each in self._past if each[0] < self._rule.end]
            self._begun = earlier[-1] if earlier else self._past[0][0]
        return None

    def _finish(self) -> Found | None:
        begun, over = self._begun, self._over
        assert begun is not None and over is not None
        self._begun = self._over = None
        times = np.array([at for at, _ in self._past])
        told = np.stack([each for _, each in self._past])
        inside = (times > begun) & (times < over)
        if not inside.any():
            return None
        apex = _middle(times[inside], told[inside, OUTPUTS.index("apex")])
        around = {
            "onset": (begun - AROUND, min(begun + AROUND, apex), begun),
            "offset": (max(over - AROUND, apex), over + AROUND, over),
        }
        onset, offset = (
            _bound(times, told[:, OUTPUTS.index(name)], *where) for name, where in around.items()
        )
        if not SHORTEST <= offset - onset <= MICRO:
            return None
        return Found(onset, apex, offset, float(told[inside, 0].max()))


def _middle(times: Times, sure: Floats) -> float:
    """The time about which an output is surest."""
    weights = sure.astype(np.float64) ** 2 + 1e-12
    return float((times * weights).sum() / weights.sum())


def _bound(times: Times, sure: Floats, low: float, high: float, usual: float) -> float:
    """When between ``low`` and ``high`` an output is surest, ``usual`` where it never is."""
    there = np.flatnonzero((times >= low) & (times <= high))
    if not len(there) or sure[there].max() < SURE:
        return usual
    return float(times[there[int(sure[there].argmax())]])
