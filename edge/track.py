"""Who is who from frame to frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.results import Box
from edge.video.portrait import Portrait
from edge.video.steady import Steady


@dataclass(frozen=True)
class Read:
    """How a face was read last: ``time`` in seconds, how it looked, how sharp its crop was.

    ``bound``: a change of its looks beyond which it must be read anew.
    """

    time: float
    portrait: Portrait | None
    sharpness: float
    bound: float


@dataclass
class Track:
    """One face over time: its number, where it was ``seen`` (seconds), and what was read of it."""

    number: int
    box: Box
    seen: float
    steady: Steady
    read: Read | None = None
    doubted: frozenset[str] = frozenset()


class Tracker:
    """Gives faces numbers that last, and keeps what is known of each.

    A face keeps its number while it overlaps, or is near and of like size, where it was last seen, and
    loses it after ``forget`` seconds unseen. ``smooth``: see ``edge.video.steady.Steady``. ``first``: the
    number of the first face.
    """

    def __init__(self, smooth: float = 0.4, forget: float = 1.0, first: int = 1) -> None:
        self._smooth, self._forget = smooth, forget
        self._tracks: list[Track] = []
        self._order: list[Track] = []  # of the faces of the last frame
        self._next = first

    def clear(self) -> None:
        """Forget everybody: another source begins. Numbers go on, so that none is given twice."""
        self._tracks, self._order = [], []

    def count_anew(self) -> None:
        """Forget everybody, and number from 1 again."""
        self.clear()
        self._next = 1

    def assign(self, boxes: Sequence[Box], now: float) -> list[Track]:
        """Whose each box of the frame at ``now`` is (seconds, never going back)."""
        self._tracks = [track for track in self._tracks if now - track.seen <= self._forget]
        pairs = [
            (likeness, b, t)
            for b, box in enumerate(boxes)
            for t, track in enumerate(self._tracks)
            if (likeness := _likeness(box, track.box)) > 0
        ]
        # The surest pair first: with the few faces of a frame this is as good as an optimal assignment.
        chosen: dict[int, Track] = {}
        taken: set[int] = set()
        for _, b, t in sorted(pairs, key=lambda pair: -pair[0]):
            if b not in chosen and t not in taken:
                chosen[b] = self._tracks[t]
                taken.add(t)
        self._order = [self._update(chosen.get(b), box, now) for b, box in enumerate(boxes)]
        return self._order

    def again(self, boxes: Sequence[Box], now: float) -> list[Track]:
        """As ``assign``, where the boxes are those of the frame before in the same order, moved along."""
        if len(boxes) != len(self._order):
            return self.assign(boxes, now)
        return [self._update(track, box, now) for track, box in zip(self._order, boxes, strict=True)]

    def _update(self, track: Track | None, box: Box, now: float) -> Track:
        if track is None:
            track = Track(self._next, box, now, Steady(self._smooth))
            self._next += 1
            self._tracks.append(track)
        track.box, track.seen = box, now
        return track


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
