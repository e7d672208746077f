"""How well movements are spotted in films whose motions are kept: a run's own spotters, played again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import SpotRule
from edge.moments.decode import Decoder
from edge.moments.history import MOVES, RATE
from edge.moments.motion import Motion
from edge.moments.network import NetworkSpotter, Telling, told_of
from edge.moments.regions import REGIONS, Floats
from edge.moments.rule import Span
from edge.moments.watch import Spotter
from faces.spotting.score import Counts, Interval, counted, matched
from train.spotter.learn import Learnt
from train.spotter.motion_set import MotionSet

PLACE = (0.0, 0.0, 40.0)
# What a movement's output is tried to begin and to end at.
BEGINS, ENDS = (0.35, 0.45, 0.55, 0.65, 0.75, 0.85), (0.15, 0.3, 0.45)
APART = (1, 2, 4)  # moments from frame to frame: 100, 50 and 25 frames a second


class Asked:
    """A network in torch. See ``edge.moments.network.Telling``."""

    def __init__(self, learnt: Learnt, rule: SpotRule | None = None) -> None:
        self.window, self.told = learnt.recipe.network.window, learnt.recipe.network.told
        self.rule = rule or SpotRule(learnt.recipe.network.ahead)
        self._ask = learnt.ask

    def __call__(self, levels: npt.NDArray[np.uint8]) -> Floats:
        """See ``Telling``."""
        told: Floats = told_of(self._ask(levels[None]).reshape(1, -1))[0]
        return told


def replayed(films: MotionSet, film: int, spotter: Spotter, apart: int = 1) -> list[Span]:
    """What ``spotter`` spots in a film of which a frame is seen every ``apart`` moments."""
    found: list[Span] = []
    rest, lost = np.zeros((len(REGIONS), 2), np.float32), True
    for index in range(0, films.rows.shape[1], apart):
        row = films.rows[film, index].astype(np.float32)
        parts, here = row[:MOVES].reshape(-1, 2), not np.isfinite(row).all()
        if lost and not here:
            rest = parts
        lost = here
        motion = Motion(parts - rest, here, PLACE, float(row[MOVES]))
        found += spotter(index / RATE, motion)
        if spotter.rest and not here:
            rest = parts
    return found


class Several(NetworkSpotter):
    """A network that is read by several rules at once: ``found`` has the spans of each."""

    def __init__(self, network: Telling, rules: Sequence[SpotRule]) -> None:
        self._decoders = [Decoder(rule) for rule in rules]
        self.found: list[list[Span]] = [[] for _ in rules]
        super().__init__(network)

    def _forget(self) -> None:
        """See ``NetworkSpotter``."""
        for decoder in self._decoders:
            decoder.restart()
        super()._forget()

    def heard(self, time: float, told: Floats) -> list[Span]:
        """Nothing, but what each rule finds is kept."""
        for decoder, kept in zip(self._decoders, self.found, strict=True):
            found = decoder(time, told)
            if found is not None:
                kept.append(self.span(found))
        return []


def measure(films: MotionSet, make: Callable[[], Spotter], apart: int = 1) -> dict[str, Any]:
    """Counts, F1 and times of short movements over all ``films``, without those taken for talk.

    JSON-ready.
    """
    return figures(films, [replayed(films, film, make(), apart) for film in range(len(films))])


def figures(films: MotionSet, spotted: Sequence[Sequence[Span]]) -> dict[str, Any]:
    """``measure`` for what was ``spotted`` in each of the ``films``."""
    total, off = Counts(), []
    for film, found in enumerate(spotted):
        spans = [span for span in found if span.micro and not span.talking]
        ours = [Interval(span.onset, span.offset, span.apex) for span in spans]
        true = [
            Interval(onset, offset, apex)
            for onset, apex, offset in films.happened(film, "micro").astype(float).tolist()
        ]
        total += counted(ours, true)
        off += [abs((ours[i].apex or 0) - (true[j].apex or 0)) for i, j in matched(ours, true).items()]
    return {
        "f1": round(total.f1, 4),
        "precision": round(total.precision, 4),
        "recall": round(total.recall, 4),
        "right": total.right,
        "false": total.false,
        "missed": total.missed,
        "false_a_minute": round(60 * total.false / (len(films) * films.seconds), 2),
        "apex_off_ms": round(1000 * float(np.mean(off)), 1) if off else None,
    }


def choose(films: MotionSet, learnt: Learnt, most_false: float) -> tuple[SpotRule, list[dict[str, Any]]]:
    """The rule that reads the network best on ``films``, and what each that was tried is worth.

    Best is the F1 at 100 frames a second among those with at most ``most_false`` false alarms a minute, or
    the fewest of these where none keeps to it.
    """
    asked = Asked(learnt)
    rules = [replace(asked.rule, begin=begin, end=end) for begin in BEGINS for end in ENDS if end <= begin]
    spotted = []
    for film in range(len(films)):
        spotter = Several(asked, rules)
        replayed(films, film, spotter)
        spotted.append(spotter.found)
    tried = [
        {"begin": rule.begin, "end": rule.end, **figures(films, [each[index] for each in spotted])}
        for index, rule in enumerate(rules)
    ]
    good = [index for index, each in enumerate(tried) if each["false_a_minute"] <= most_false]
    best = (
        max(good, key=lambda index: float(tried[index]["f1"]))
        if good
        else min(range(len(tried)), key=lambda index: float(tried[index]["false_a_minute"]))
    )
    return rules[best], tried
