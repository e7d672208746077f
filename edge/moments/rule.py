"""When a face moved and came back: onset, apex and offset, by rule.

A movement is a hill in how far the parts of the face are from where they rest, in units of how far they
stray when nothing happens. What stands out is cut where it has fallen to a share of its peak.
Constants were chosen on persons of one half; ``python -m benchmarks.moments`` judges on the other.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from edge.moments.motion import Motion
from edge.moments.regions import LIDS, MOUTH, REGIONS, SHOWN, Floats

HALF = 0.035  # seconds on each side over which a moment's motion is averaged
BEGIN, QUIET = 5.0, 2.5  # times the stray: a movement begins to be looked at, and is over
SHARE = 0.15  # of the peak: there a movement begins and ends
DOWN = 0.3  # of the peak: a movement that has come down so far is over, where noise hides the rest
# Below so many times the quietest moment before, or after, and what is usual at rest, it is no movement.
FOOT, USUAL = 1.15, 1.3
STRAY = 0.0012  # distances between the eyes: the least that a part strays, which a camera's noise alone does
OUTSTANDING = 2.0  # times the stray
SLOW = 0.7  # seconds over which rest is learnt anew while nothing happens
SETTLING = 0.5  # seconds before anything can be said of a face
SHORTEST, MICRO, LONGEST = 0.04, 0.5, 4.0  # seconds
HELD = 0.8  # seconds without motion after which a new look is the one at rest
STILL = 0.008  # distances between the eyes: so little changes in a look that is held
RENEWED = 1.0  # seconds after which a quiet frame takes the place of the one compared with
AFTER = 0.06  # seconds of quiet that end a movement
LIDS_FAR, BLINK = 0.03, 0.6  # so far lids go in blinks alone, and how far in shares of what goes farthest
SHORT_BLINK = 0.6  # seconds
# So many seconds apart, and so large against each other, two movements of the mouth are taken for talk.
TALK, TALK_SHARE = 0.6, 0.3
ALONG = 0.5  # of the farthest part's way: what went as far took part


@dataclass(frozen=True)
class Span:
    """A movement that is over. Seconds; ``parts`` float32 [regions, 2]: the way from rest to the apex.

    ``talking``: the mouth moved shortly before or after it as well. ``tone``: see ``edge.moments.tone``.
    """

    onset: float
    apex: float
    offset: float
    parts: Floats
    strength: float
    talking: bool = False
    tone: str | None = None

    @property
    def micro(self) -> bool:
        """Whether it was as short as micro-expressions are."""
        return self.offset - self.onset <= MICRO

    @property
    def regions(self) -> tuple[str, ...]:
        """The parts that took part, the farthest first."""
        far = np.sqrt((self.parts * self.parts).sum(1))
        order = sorted(SHOWN, key=lambda index: -far[index])
        return tuple(REGIONS[index] for index in order if far[index] >= ALONG * far[order[0]])

    @property
    def of_mouth(self) -> bool:
        """Whether the mouth or the chin went farthest."""
        return REGIONS.index(self.regions[0]) in MOUTH


@dataclass
class _Sample:
    time: float
    parts: Floats  # from rest, averaged
    height: float  # of the part that stands out most, in strays
    lids: float
    mouth: bool  # or chin goes farthest


class RuleSpotter:
    """Takes one face's motions in the order of time, and gives the movements that are over.

    ``rest`` says, after each motion, whether its frame may be the one to compare with.
    """

    def __init__(self) -> None:
        self._shown, self._mouth = list(SHOWN), list(MOUTH)
        self._upper = [index for index in SHOWN if index not in MOUTH]
        self.restart()

    def restart(self) -> None:
        """The face was lost, or cannot be compared with what it was."""
        self._raw: deque[tuple[float, Floats]] = deque()
        self._past: deque[_Sample] = deque()
        self._level: Floats | None = None
        self._stray = np.full(len(REGIONS), 2 * STRAY, np.float32)
        self._since: float | None = None
        self._renewed = self._ended = -math.inf
        self._open: list[_Sample] = []
        self._waiting: list[Span] = []
        self._quiet_since: float | None = None
        self._usual = 2.0
        self.rest, self.height = True, 0.0

    def __call__(self, time: float, motion: Motion) -> list[Span]:
        """The motion at ``time`` in seconds, and the movements that are known to be over since it."""
        if motion.lost:
            self.restart()
            return []
        if self._since is None:
            self._since = self._renewed = time
        self.rest = False
        self._raw.append((time, motion.parts))
        middle = self._averaged(time)
        if middle is not None:
            span = self._take(*middle)
            if span is not None:
                self._waiting.append(span)
            if not self._open and time - self._renewed >= RENEWED and self.height < QUIET:
                self._rest_at(time)
        return self._due(time)

    def _due(self, time: float) -> list[Span]:
        """Those of the movements that are waiting of which all is known, in their order."""
        due: list[Span] = []
        while self._waiting:
            first = self._waiting[0]
            if first.of_mouth and time - first.offset < TALK + HALF:
                break
            due.append(self._waiting.pop(0))
            if first.of_mouth and self.mouth_moves_about(first):
                due[-1] = replace(first, talking=True)
        return due

    def mouth_moves_about(self, span: Span) -> bool:
        """Whether the mouth moved well shortly before or after too."""
        least = max(BEGIN, TALK_SHARE * span.strength)
        return any(
            each.mouth and each.height >= least and not span.onset <= each.time <= span.offset
            for each in self._past
            if span.onset - TALK < each.time < span.offset + TALK
        )

    def _averaged(self, time: float) -> tuple[float, Floats] | None:
        """The moment HALF seconds ago, with those around it; None where there is no new one."""
        raw = self._raw
        while len(raw) > 1 and raw[0][0] < time - 2 * HALF - 1e-6:
            raw.popleft()
        target = time - HALF
        at = min(range(len(raw)), key=lambda index: abs(raw[index][0] - target))
        middle = raw[at][0]
        if self._past and middle <= self._past[-1].time:
            return None
        far = np.minimum(1, np.abs(np.array([each for each, _ in raw]) - middle) / HALF)
        weights = 0.5 + 0.5 * np.cos(np.pi * far)
        stacked = np.stack([parts for _, parts in raw])
        mean = (weights / weights.sum()) @ stacked.reshape(len(raw), -1)
        return middle, mean.reshape(stacked.shape[1:]).astype(np.float32)

    def _take(self, time: float, parts: Floats) -> Span | None:
        if self._level is None:
            self._level = parts
        away = parts - self._level
        far = np.sqrt((away * away).sum(1))
        ratio = far / self._stray
        self.height = float(ratio[self._shown].max())
        mouth = bool(far[self._mouth].max() >= far[self._upper].max())
        sample = _Sample(time, away, self.height, float(far[list(LIDS)].max()), mouth)
        before = self._past[-1].time if self._past else time
        self._past.append(sample)
        while self._past[0].time < time - LONGEST - 1:
            self._past.popleft()
        if self._since is None or time - self._since < SETTLING:
            self._learn(time - before, away, far, 4)
            return None
        if not self._open:
            if self.height < BEGIN:
                self._usual += 0.2 * (1 - math.exp(-(time - before) / SLOW)) * (self.height - self._usual)
                self._learn(time - before, away, far, 1)
                return None
            # What led up to it belongs to it.
            self._open = [each for each in self._past if each.time >= max(time - 1.0, self._ended)]
            self._quiet_since = None
            return None
        self._open.append(sample)
        return self._close(time)

    def _learn(self, seconds: float, away: Floats, far: Floats, haste: float) -> None:
        """Rest and stray, from a moment in which nothing happens."""
        assert self._level is not None
        share = 1 - math.exp(-haste * seconds / SLOW)
        self._level = self._level + np.float32(share) * away
        # The mean length of a plane Gaussian is 1.25 of its deviation; what stands out is no stray.
        stray = np.minimum(0.8 * far, OUTSTANDING * self._stray)
        self._stray = np.maximum(STRAY, self._stray + np.float32(share / 2) * (stray - self._stray))

    def _close(self, time: float) -> Span | None:
        peak = max(each.height for each in self._open)
        last = self._open[-1]
        if last.height < max(QUIET, DOWN * peak):
            if self._quiet_since is None:
                self._quiet_since = time
            if time - self._quiet_since >= AFTER:
                return self._finish()
            return None
        self._quiet_since = None
        recent = [each.parts for each in self._open if each.time >= time - HELD]
        held = time - self._open[0].time > HELD + MICRO
        if held and float(np.ptp(np.stack(recent), 0)[self._shown].max()) < STILL:
            # It stays so: this is how the face rests now.
            self._settle(time)
        elif time - self._open[0].time > LONGEST + 1:
            self._settle(time)
        return None

    def _settle(self, time: float) -> None:
        self._open, self._quiet_since = [], None
        self._level = None
        self._rest_at(time)

    def _rest_at(self, time: float) -> None:
        """The last frame is the one to compare with: all that is kept moves along."""
        shift = self._raw[-1][1]
        self._raw = deque((each, parts - shift) for each, parts in self._raw)
        if self._level is not None:
            self._level = self._level - shift
        self._renewed, self.rest = time, True

    def _finish(self) -> Span | None:
        samples, self._open, self._quiet_since = self._open, [], None
        self._ended = samples[-1].time
        heights = np.array([each.height for each in samples])
        times = np.array([each.time for each in samples])
        top = int(heights.argmax())
        peak = heights[top]
        near = heights[:top][times[:top] > times[top] - MICRO]
        least = max(SHARE * peak, USUAL * self._usual)
        before = min(0.5 * peak, max(least, FOOT * near.min(initial=peak)))
        behind = min(0.5 * peak, max(least, FOOT * heights[top:].min()))
        below = np.flatnonzero(heights[:top] < before)
        if not len(below):
            return None  # the foot of the movement before it
        first = int(below[-1])
        after = np.flatnonzero(heights[top:] < behind)
        last = top + int(after[0]) if len(after) else len(heights) - 1
        if _is_blink(samples[first : last + 1]) or times[last] - times[first] < SHORTEST:
            return None
        return Span(
            _crossing(times, heights, first, min(first + 1, top), before),
            _summit(times, heights, top),
            _crossing(times, heights, last, max(last - 1, top), behind),
            samples[top].parts,
            float(peak),
        )


def _is_blink(samples: list[_Sample]) -> bool:
    """Whether the lids went so far that all else is their doing, or cannot be told from it."""
    if samples[-1].time - samples[0].time > SHORT_BLINK:
        return False
    lids = max(each.lids for each in samples)
    shown = [np.sqrt((each.parts * each.parts).sum(1))[list(SHOWN)].max() for each in samples]
    return lids > max(LIDS_FAR, BLINK * float(max(shown)))


def _crossing(times: np.ndarray, heights: np.ndarray, low: int, high: int, bound: float) -> float:
    """When the height passed ``bound`` between two moments."""
    rise = heights[high] - heights[low]
    share = (bound - heights[low]) / rise if rise > 0 else 0.0
    return float(times[low] + min(1.0, max(0.0, share)) * (times[high] - times[low]))


def _summit(times: np.ndarray, heights: np.ndarray, top: int) -> float:
    """The middle of what is all but as high as the highest moment."""
    first = last = top
    while first > 0 and heights[first - 1] > 0.92 * heights[top]:
        first -= 1
    while last + 1 < len(heights) and heights[last + 1] > 0.92 * heights[top]:
        last += 1
    return float((times[first] + times[last]) / 2)
