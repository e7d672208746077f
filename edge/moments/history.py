"""The last moments of one face, a hundred a second at any rate of the camera, as a network wants to see them.

Training (``train.spotter``) cuts its windows by the same functions.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import numpy.typing as npt

from edge.moments.motion import Motion
from edge.moments.regions import REGIONS, Floats
from edge.moments.rule import STRAY

RATE = 100.0  # moments a second
MOVES = 2 * len(REGIONS)
LOOKED = 200  # moments that are looked back to see where parts rest: no short movement takes half of them
ROWS = MOVES + 2  # right and down of each part; the misfit; how far the rule sees something stand out
FINE, FAR = 0.003, 0.15  # distances between the eyes: levels are even below the one, and end at the other
_LEVELS = 127 / math.asinh(FAR / FINE)
GAP = 1.0  # seconds without a frame after which a face begins anew
_NEAR = 1e-6  # seconds: a moment that a frame's time misses by rounding is its own


def row(motion: Motion, shift: Floats, height: float) -> Floats:
    """One moment, float32 [ROWS], in distances between the eyes.

    ``shift`` float32 [regions, 2] is where the parts were when the frame compared with was taken, and
    ``height`` the rule's: in strays, of which one is STRAY at least.
    """
    moves = (motion.parts + shift).ravel()
    return np.concatenate([moves, (motion.misfit, height * STRAY)]).astype(np.float32)


def picture(rows: Floats, window: int) -> npt.NDArray[np.uint8]:
    """Levels uint8 [ROWS, window] of the last of moments float32 [LOOKED, ROWS], 128 being none.

    Moves are told against where a part is for most of the time that is looked back. Levels are even near
    none and go on as a logarithm does, so that 0.001 and 0.1 distances both show.
    """
    seen = rows[-window:].T.copy()
    seen[:MOVES] -= np.median(rows[:, :MOVES], 0)[:, None]
    levels = np.rint(128 + _LEVELS * np.arcsinh(seen / FINE))
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


class History:
    """At most ``most`` moments, evenly in time: what frames show between two of them is averaged.

    Where there was no frame since the last moment, or one, it lies on the line between the frames around it.
    """

    def __init__(self, most: int) -> None:
        self._rows: deque[Floats] = deque(maxlen=most)
        self.restart()

    def restart(self) -> None:
        """Forget what was."""
        self._rows.clear()
        self._shift = np.zeros((len(REGIONS), 2), np.float32)
        self._frames: deque[tuple[float, Floats]] = deque()
        self._last: Motion | None = None
        self._next = 0

    def take(self, time: float, motion: Motion, height: float) -> int:
        """The motion at ``time`` in seconds; how many moments are new by it."""
        if self._frames and time - self._frames[-1][0] > GAP:
            self.restart()
        if self._last is None:
            self._next = math.ceil(time * RATE - _NEAR)
        self._last, first = motion, self._next
        self._frames.append((time, row(motion, self._shift, height)))
        while self._next / RATE <= time + _NEAR:
            self._rows.append(self._at(self._next / RATE))
            self._next += 1
        return self._next - first

    def rest(self) -> None:
        """The last motion's frame is the one that the next are compared with."""
        if self._last is not None:
            self._shift = self._shift + self._last.parts

    @property
    def time(self) -> float:
        """Seconds: that of the last moment."""
        return (self._next - 1) / RATE

    def last(self, count: int) -> Floats:
        """The last ``count`` moments, float32 [count, ROWS]; before the first it was as in the first."""
        rows = list(self._rows)[-count:]
        return np.stack([rows[0]] * (count - len(rows)) + rows)

    def between(self, onset: float, offset: float) -> Floats:
        """Those kept from ``onset`` to ``offset``, seconds, or the nearest, float32 [N, ROWS], N >= 1."""
        first = self._next - len(self._rows)
        low, high = (round(each * RATE) - first for each in (onset, offset))
        low = min(max(0, low), len(self._rows) - 1)
        return np.stack(list(self._rows)[low : max(low, high) + 1])

    def _at(self, time: float) -> Floats:
        """The moment at ``time``; the frames before it that no later one needs are let go."""
        frames = self._frames
        inside = [each for at, each in frames if time - 1 / RATE + _NEAR < at <= time + _NEAR]
        while len(frames) > 1 and frames[1][0] <= time + _NEAR:
            frames.popleft()
        if len(inside) > 1:
            return np.asarray(np.mean(inside, 0), np.float32)
        (early, before), (late, after) = frames[0], frames[min(1, len(frames) - 1)]
        share = min(1.0, max(0.0, (time - early) / (late - early))) if late > early else 0.0
        return np.asarray(before + np.float32(share) * (after - before), np.float32)
