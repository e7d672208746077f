"""Counts of what was spotted, by what the true movements were like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from edge.bundle_files.sections import OTHER, TONES_AND_OTHER
from edge.results import FrameReadings, Moment, Reading
from edge.source import Frame
from faces.spotting.score import Counts, Interval, counted, matched
from train.synth.moments import Film, Happening

REACHES = ((0.02, 0.035), (0.035, 0.05), (0.05, 0.08))  # distances between the eyes
LENGTHS = ((0.08, 0.2), (0.2, 0.35), (0.35, 0.5))  # seconds
NAMINGS = ("right", "null", "wrong")
FEW = "few"  # in a doubt: it says nothing of the movement


class Tally:
    """Counts by what the true movements were like."""

    def __init__(self) -> None:
        self.sure, self.all = Counts(), Counts()
        self.reach: dict[str, list[bool]] = defaultdict(list)
        self.length: dict[str, list[bool]] = defaultdict(list)
        self.off: dict[str, list[float]] = defaultdict(list)
        self.seconds, self.busy, self.spotting, self.frames = 0.0, 0.0, 0.0, 0
        self.false_at: dict[str, int] = defaultdict(int)
        self.named: dict[str, int] = defaultdict(int)
        self.toned = {name: dict.fromkeys(TONES_AND_OTHER, 0) for name in TONES_AND_OTHER}

    def take(self, film: Film, moments: Sequence[Moment]) -> None:
        """One film's."""
        true = [each for each in film.happenings if each.kind == "micro"]
        wanted = [true_interval(each) for each in true]
        micro = [each for each in moments if each.kind == "micro"]
        sure = [each for each in micro if undoubted(each)]
        spotted = [interval_of(each) for each in sure]
        self.sure += counted(spotted, wanted)
        self.all += counted([Interval(each.onset, each.offset) for each in micro], wanted)
        pairs = matched(spotted, wanted)
        for index, each in enumerate(true):
            hit = index in pairs.values()
            self.reach[_bin(each.reach, REACHES)].append(hit)
            self.length[_bin(each.curve.end - each.curve.start, LENGTHS)].append(hit)
        for one, other in pairs.items():
            for name in ("onset", "apex", "offset"):
                self.off[name].append(abs(getattr(spotted[one], name) - getattr(wanted[other], name)))
            self.toned[true[other].tone][sure[one].tone or OTHER] += 1
            if true[other].expression:
                self.named[naming(true[other], sure[one].expression)] += 1
        for index, each in enumerate(sure):
            if index not in pairs:
                near = [
                    it.kind for it in film.happenings if it.curve.start - 0.3 < each.apex < it.curve.end + 0.3
                ]
                self.false_at[near[0] if near else "nothing"] += 1

    def as_json(self) -> dict[str, Any]:
        """JSON-ready; times in milliseconds."""
        return {
            **_figures(self.sure),
            "with_doubted": _figures(self.all),
            "recall_by_reach": {name: _share(hits) for name, hits in sorted(self.reach.items())},
            "recall_by_length_s": {name: _share(hits) for name, hits in sorted(self.length.items())},
            "off_ms": {name: round(1000 * float(np.mean(each)), 1) for name, each in self.off.items()},
            "false_a_minute": round(60 * self.sure.false / max(1e-9, self.seconds), 2),
            "false_at": dict(self.false_at),
            "named": {word: self.named[word] for word in NAMINGS},
            "toned": self.toned,
            "cpu_ms_a_frame": round(1000 * self.busy / max(1, self.frames), 3),
            "spotter_cpu_ms_a_frame": round(1000 * self.spotting / max(1, self.frames), 3),
        }


def interval_of(moment: Moment) -> Interval:
    """When it was told to be."""
    return Interval(moment.onset, moment.offset, moment.apex)


def true_interval(happening: Happening) -> Interval:
    """When it was made to be."""
    return Interval(happening.curve.start, happening.curve.end, happening.apex)


def shown(film: Film, rate: float) -> Iterator[tuple[Frame, FrameReadings]]:
    """``film`` at so many frames a second, each with a reading of its face, for a Watcher."""
    for index, (when, picture, face) in enumerate(film.frames(rate)):
        image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
        reading = Reading(face, {}, "", (), 1)
        result = FrameReadings("film", index, when, *image.shape[1::-1], (reading,))
        yield Frame("film", index, when, image), result


def naming(happening: Happening, expression: str | None) -> str:
    """Whether the ``expression`` that was named is the one that the movement belongs to: one of NAMINGS."""
    return "null" if expression is None else "right" if expression == happening.expression else "wrong"


def undoubted(moment: Moment) -> bool:
    """Whether nothing speaks against it but too few frames a second."""
    return all(FEW in doubt for doubt in moment.doubts)


def _figures(counts: Counts) -> dict[str, Any]:
    return {
        "f1": round(counts.f1, 4),
        "precision": round(counts.precision, 4),
        "recall": round(counts.recall, 4),
        "right": counts.right,
        "false": counts.false,
        "missed": counts.missed,
    }


def _bin(value: float, bins: tuple[tuple[float, float], ...]) -> str:
    low, high = next((each for each in bins if value <= each[1]), bins[-1])
    return f"{low:g}-{high:g}"


def _share(hits: Sequence[bool]) -> dict[str, Any]:
    return {"of": len(hits), "recall": round(float(np.mean(hits)), 4)}
