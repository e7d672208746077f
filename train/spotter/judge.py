"""How well movements are spotted in films whose motions are kept: a run's own spotters, played again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import SpotRule
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
    """A network that answers from memory where it was asked before. See ``edge.moments.network.Telling``."""

    def __init__(self, learnt: Learnt, rule: SpotRule | None = None) -> None:
        self.window, self.told = learnt.recipe.network.window, learnt.recipe.network.told
        self.rule = rule or SpotRule(learnt.recipe.network.ahead)
        self._ask = learnt.ask
        self._known: dict[bytes, Floats] = {}

    def __call__(self, levels: npt.NDArray[np.uint8]) -> Floats:
        """See ``Telling``."""
        key = levels.tobytes()
        if key not in self._known:
            self._known[key] = told_of(self._ask(levels[None]).reshape(1, -1))[0]
        return self._known[key]

    def by(self, rule: SpotRule) -> Asked:
        """The same network and memory, read by another rule."""
        other = object.__new__(Asked)
        other.__dict__ = {**self.__dict__, "rule": rule}
        return other


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


def measure(films: MotionSet, make: Callable[[], Spotter], apart: int = 1) -> dict[str, Any]:
    """Counts, F1 and times of short movements over all ``films``, without those taken for talk.

    JSON-ready.
    """
    total, off = Counts(), []
    for film in range(len(films)):
        spans = [span for span in replayed(films, film, make(), apart) if span.micro and not span.talking]
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
    asked, tried = Asked(learnt), []
    for begin in BEGINS:
        for end in (each for each in ENDS if each <= begin):
            rule = replace(asked.rule, begin=begin, end=end)
            network: Telling = asked.by(rule)
            tried.append(
                {"begin": begin, "end": end, **measure(films, lambda told=network: NetworkSpotter(told))}  # type: ignore[misc]
            )
    good = [each for each in tried if each["false_a_minute"] <= most_false]
    best = (
        max(good, key=lambda each: float(each["f1"]))
        if good
        else min(tried, key=lambda each: float(each["false_a_minute"]))
    )
    return replace(asked.rule, begin=best["begin"], end=best["end"]), tried
