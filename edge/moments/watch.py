"""The faces of a run, watched for movements that come and go: what is spotted is named, and doubted."""

from __future__ import annotations

import math
import operator
import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from edge.align import Image, align, turn_of
from edge.bundle import Bundle
from edge.classify import Classifier
from edge.moments.motion import FaceMotion, Motion
from edge.moments.rule import QUIET, SHORTEST, RuleSpotter, Span
from edge.results import Face, FrameReadings, Moment, Reading
from edge.source import Frame

FEW, FEWEST = 48.0, 24.0  # frames a second: below, short movements are missed; below, none is told
COUNTED = 12  # frames whose times tell how many come a second
KEPT = 3.0  # seconds that are looked back: a talk's length of waiting, and the longest movement
CALM_S = 0.08  # before the onset, and after the offset, a face is at rest
NAMED = 0.15  # of all weight must go to an expression from the onset to the apex
TURNED, MOVED = 0.10, 0.25  # of a face: its nose's way off the middle; its own, in distances between eyes
SMALL = 24.0  # pixels between the eyes
NO_LANDMARKS = (
    "the network that spots movements knows faces by their landmarks, and these have none: the rule watches "
    "them (ferlite fetch yunet gives a detector that finds landmarks)"
)
FORGET = 1.0  # seconds unseen after which a face is nobody known
# A spotter looks ahead, averages, and waits for a talk's next word: so much later it has told all it will,
# and what the face then still does is not yet how it rests (rule.HELD).
STAYED, STAYED_RATE = 0.7, 100.0  # seconds, and motions in each at most


class Spotter(Protocol):
    """What tells when something happened: ``rule.RuleSpotter``, or a network's."""

    rest: bool
    height: float

    def __call__(self, time: float, motion: Motion) -> Sequence[Span]:
        """The movements known to be over since the motion at ``time``."""
        ...

    def restart(self) -> None:
        """Forget what was."""
        ...


@dataclass(frozen=True)
class _Look:
    time: float
    crop: Image
    place: tuple[float, float, float]
    turn: float


@dataclass
class _Watched:
    """One face: how it is measured, and what it looked like lately."""

    spotter: Spotter
    motion: FaceMotion = field(default_factory=FaceMotion)
    looks: deque[_Look] = field(default_factory=deque)
    seen: float = 0.0
    moved: Motion | None = None
    quiet: float = -math.inf  # when nothing stood out

    def stays(self, rate: float | None) -> list[Span]:
        """What was over before the face was last seen and is known to be if it stays as it was then, at so
        many frames a second (None: at most of them). Only ``spotter.restart`` may follow.
        """
        spans: list[Span] = []
        motion, rate = self.moved, min(rate or STAYED_RATE, STAYED_RATE)
        # A face that was hardly seen did nothing that could be over.
        hardly = not self.looks or self.seen - self.looks[0].time < SHORTEST
        if motion is None or motion.lost or hardly:
            return spans
        for step in range(1, round(STAYED * rate) + 1):
            if self.spotter.rest:
                motion = replace(motion, parts=np.zeros_like(motion.parts), misfit=0.0)
            spans += self.spotter(self.seen + step / rate, motion)
        # What still stands out did not come back: of it nothing is over.
        over = self.seen if self.spotter.height < QUIET else self.quiet
        return [span for span in spans if span.offset <= over]

    def takes(self, time: float, motion: Motion, rate: float | None) -> Sequence[Span]:
        """The movements that are known to be over by the motion at ``time``; ``rate``: see ``stays``."""
        # With a motion that cannot be compared, the spotter forgets.
        before = self.stays(rate) if motion.lost else []
        spans = [*before, *self.spotter(time, motion)]
        self.seen, self.moved = time, motion
        if motion.lost or self.spotter.height < QUIET:
            self.quiet = time
        if self.spotter.rest:
            self.motion.rest()
        return spans


class Watcher:
    """Adds to a video's readings what its faces did for a moment. For one thread, in the frames' order.

    ``classifier`` reads faces cut out for ``bundle``, at the onset and the apex of what was spotted; nothing
    that was seen is kept for longer than KEPT seconds. ``remark`` hears, once a source, that frames are too
    few. ``spotter`` makes one for each face; a face without landmarks gets the rule, which is said once.
    ``least`` frames a second are wanted for short movements to be told at all.
    """

    def __init__(
        self,
        bundle: Bundle,
        classifier: Classifier | None,
        remark: Callable[[str], None] = lambda sentence: None,
        spotter: Callable[[], Spotter] = RuleSpotter,
        least: float = FEWEST,
    ) -> None:
        self._bundle, self._classifier, self._remark, self._spotter = bundle, classifier, remark, spotter
        self._least = least
        # Frames a second of late; None before COUNTED frames tell it, and no short movement is told before.
        self.rate: float | None = None
        self._source, self._said, self._said_marks = "", False, False
        self._times: deque[float] = deque(maxlen=COUNTED + 1)
        self._watched: dict[int, _Watched] = {}

    def __call__(self, frame: Frame, result: FrameReadings, last: bool = False) -> FrameReadings:
        """The frame's readings, with the movements that are known to be over since it.

        Of a face that is gone, and of all if the frame is the ``last``, also those that were over too shortly
        before to be told sooner.
        """
        if result.time is None:
            return result
        if result.source != self._source:
            self._restart(result.source)
        time = result.time
        self._count(time)
        moments: list[Moment] = []
        heights: list[float | None] = []
        for reading in result.readings:
            spans, height = self._watch(frame.image, reading, time)
            heights.append(height)
            moments += [self._moment(span, reading.track) for span in spans]
        for track, known in list(self._watched.items()):
            if last or time - known.seen > FORGET:
                moments += [self._moment(span, track or None) for span in known.stays(self.rate)]
                del self._watched[track]
        few = (self.rate or 0.0) < self._least
        told = [each for each in moments if each.kind != "micro" or not few]
        return replace(result, moments=tuple(told), motion=tuple(heights))

    def close(self) -> None:
        """Free the network that names."""
        if self._classifier is not None:
            self._classifier.close()

    def _restart(self, source: str) -> None:
        self._source, self.rate = source, None
        self._said = False
        self._times.clear()
        self._watched = {}

    def _count(self, time: float) -> None:
        self._times.append(time)
        if len(self._times) <= COUNTED:
            return
        times = list(self._times)
        apart = statistics.median(map(operator.sub, times[1:], times))
        self.rate = 1 / apart if apart > 0 else None
        if not self._said and (sentence := too_few(self.rate, self._least)):
            self._said = True
            self._remark(sentence)

    def _watch(self, image: Image, reading: Reading, time: float) -> tuple[Sequence[Span], float | None]:
        track = reading.track or 0
        known = self._watched.get(track)
        if known is None:
            known = self._watched[track] = _Watched(self._make(reading.face))
        motion = known.motion(image, reading.face)
        spans = known.takes(time, motion, self.rate)
        crop = align(image, reading.face, self._bundle.crop, self._bundle.input)
        known.looks.append(_Look(time, crop, motion.place, turn_of(reading.face) or 0.0))
        while known.looks[0].time < time - KEPT:
            known.looks.popleft()
        return spans, None if motion.lost else known.spotter.height

    def _make(self, face: Face) -> Spotter:
        """A spotter for ``face``; a network knows only faces that are cut out by their landmarks."""
        if face.landmarks is not None or self._spotter is RuleSpotter:
            return self._spotter()
        if not self._said_marks:
            self._said_marks = True
            self._remark(NO_LANDMARKS)
        return RuleSpotter()

    def _moment(self, span: Span, track: int | None) -> Moment:
        looks = self._watched[track or 0].looks
        weights, before = self._named(span, looks)
        rises = {name: weights[name] - before[name] for name in weights}
        return Moment(
            "micro" if span.micro else "macro",
            track,
            span.onset,
            span.apex,
            span.offset,
            span.regions,
            named(rises),
            rises,
            self._doubts(span, looks),
            span.tone,
        )

    def _named(self, span: Span, looks: deque[_Look]) -> tuple[dict[str, float], dict[str, float]]:
        """The weights at the apex and before the onset."""
        if self._classifier is None or not looks:
            return {}, {}
        apex, onset = (
            min(looks, key=lambda look: abs(look.time - when)).crop
            for when in (span.apex, span.onset - CALM_S)
        )
        rows = self._classifier([apex, onset]).tolist()
        labels = self._classifier.labels
        at, before = (dict(zip(labels, row, strict=True)) for row in rows)
        return at, before

    def _doubts(self, span: Span, looks: deque[_Look]) -> tuple[str, ...]:
        found = []
        if self.rate is not None and self.rate < FEW:
            found.append(f"{self.rate:.0f} frames a second are few")
        if span.talking:
            found.append("talking")
        during = [look for look in looks if span.onset - CALM_S <= look.time <= span.offset + CALM_S]
        if during and _turns(during):
            found.append("the head turns")
        if during and min(look.place[2] for look in during) < SMALL:
            found.append("small face")
        return tuple(found)


def named(rises: Mapping[str, float]) -> str | None:
    """The expression whose weight rose most from the onset to the apex, None where none did clearly."""
    heaviest = max(rises, key=rises.__getitem__, default="")
    return heaviest if heaviest and rises[heaviest] >= NAMED else None


def too_few(rate: float | None, least: float = FEWEST) -> str:
    """What is to be said of a video of ``rate`` frames a second, "" where there are enough."""
    if rate is None or rate >= FEW:
        return ""
    if rate < least:
        return (
            f"{rate:.0f} frames a second are too few for --moments to tell micro-expressions: "
            "only longer movements are told; give a video of 50 and more"
        )
    return (
        f"{rate:.0f} frames a second are few for --moments: movements shorter than {3000 / rate:.0f} ms "
        "are missed; give a video of 50 and more"
    )


def _turns(looks: Sequence[_Look]) -> bool:
    """Whether the head turned or moved so far that parts of the face seem to have moved."""
    turns = [look.turn for look in looks]
    eyes = max(1.0, looks[0].place[2])
    spread = max(
        max(look.place[axis] for look in looks) - min(look.place[axis] for look in looks) for axis in (0, 1)
    )
    return max(turns) - min(turns) > TURNED or spread > MOVED * eyes
