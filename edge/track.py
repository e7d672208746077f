"""Who is who from frame to frame, and a calmer reading of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.classify import Weights
from edge.results import Box


@dataclass
class _Track:
    number: int
    box: Box
    seen: float
    weights: Weights | None = None
    weighed: float = 0.0


class Tracker:
    """Gives faces numbers that last, and smooths each face's weights over time.

    A face keeps its number while it overlaps, or is near and of like size, where it was last seen, and
    loses it after ``forget`` seconds unseen. Smoothing is exponential with time constant ``smooth``
    seconds, so its effect does not depend on the frame rate; 0 switches it off.
    """

    def __init__(self, smooth: float = 0.4, forget: float = 1.0) -> None:
        self._smooth, self._forget = smooth, forget
        self._tracks: list[_Track] = []
        self._next = 1

    def clear(self) -> None:
        """Forget everybody: another source begins. Numbers go on, so that none is given twice."""
        self._tracks = []

    def assign(self, boxes: Sequence[Box], now: float) -> list[int]:
        """A number for each box of the frame at ``now`` (seconds, never going back)."""
        self._tracks = [track for track in self._tracks if now - track.seen <= self._forget]
        pairs = [
            (likeness, b, t)
            for b, box in enumerate(boxes)
            for t, track in enumerate(self._tracks)
            if (likeness := _likeness(box, track.box)) > 0
        ]
        # The surest pair first: with the few faces of a frame this is as good as an optimal assignment.
        chosen: dict[int, _Track] = {}
        taken: set[int] = set()
        for _, b, t in sorted(pairs, key=lambda pair: -pair[0]):
            if b not in chosen and t not in taken:
                chosen[b] = self._tracks[t]
                taken.add(t)
        return [self._update(chosen.get(b), box, now) for b, box in enumerate(boxes)]

    def _update(self, track: _Track | None, box: Box, now: float) -> int:
        if track is None:
            track = _Track(self._next, box, now)
            self._next += 1
            self._tracks.append(track)
        track.box, track.seen = box, now
        return track.number

    def smooth(self, number: int, weights: Weights, now: float) -> Weights:
        """The face's weights [C] at ``now``, calmed by those before; they still sum to 1."""
        track = next(track for track in self._tracks if track.number == number)
        if track.weights is None or self._smooth <= 0:
            track.weights = weights
        else:
            share = 1 - math.exp(-max(0.0, now - track.weighed) / self._smooth)
            track.weights = np.asarray(track.weights + share * (weights - track.weights))
        track.weighed = now
        return track.weights


def _likeness(box: Box, before: Box) -> float:
    """Over 0 where the two may be one face: overlap, else nearness in units of their size."""
    (x, y), (past_x, past_y) = box.centre, before.centre
    side = math.sqrt(max(1.0, min(box.area, before.area)))
    apart = math.hypot(x - past_x, y - past_y)
    # Most pairs of a frame are far apart: no more is computed of them.
    if apart >= max(side, (box.width + before.width) / 2, (box.height + before.height) / 2):
        return 0.0
    overlap = box.iou(before)
    if overlap > 0.2:
        return 1 + overlap
    alike = 0.5 < box.area / max(1.0, before.area) < 2
    return max(0.0, 1 - apart / side) if alike else 0.0
