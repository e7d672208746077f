"""What the benchmark of short movements counts: right, false and missed ones, and doubted ones apart."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.moments import Tally, undoubted
from edge.results import Moment
from train.synth.moments import Film, Happening
from train.synth.motion import Curve

STILL = np.zeros((4, 4, 2), np.float32)


def a_film() -> Film:
    """Two short movements and a blink."""
    happenings = [
        Happening("micro", Curve(1.0, 0.1, 0.0, 0.1), 0.03, STILL),
        Happening("blink", Curve(2.0, 0.1, 0.0, 0.1), 0.0, STILL),
        Happening("micro", Curve(3.0, 0.2, 0.0, 0.2), 0.06, STILL),
    ]
    picture = np.zeros((4, 4), np.uint8)
    return Film(0, 5.0, picture, np.zeros((5, 2)), happenings, (), 0.0, (100.0, 0.0), 0.0, 0, 1.0)


def moment(onset: float, offset: float, *doubts: str, kind: str = "micro") -> Moment:
    return Moment(kind, 1, onset, (onset + offset) / 2, offset, ("nose",), None, {}, doubts)


def test_right_false_and_missed_movements_are_counted_and_told_apart() -> None:
    tally = Tally()
    told = [moment(1.02, 1.2), moment(2.0, 2.2), moment(3.0, 3.4, "talking"), moment(4, 4.9, kind="macro")]
    tally.take(a_film(), told)
    tally.seconds = 60.0
    figures = tally.as_json()
    assert (figures["right"], figures["false"], figures["missed"]) == (1, 1, 1)
    assert figures["with_doubted"]["right"] == 2
    assert figures["false_a_minute"] == 1.0 and figures["false_at"] == {"blink": 1}
    assert figures["off_ms"]["apex"] == pytest.approx(10.0)
    assert figures["recall_by_reach"]["0.02-0.035"] == {"of": 1, "recall": 1.0}
    assert figures["recall_by_length_s"]["0.35-0.5"] == {"of": 1, "recall": 0.0}


def test_few_frames_alone_are_no_doubt_of_a_movement() -> None:
    assert undoubted(moment(1, 2, "25 frames a second are few"))
    assert not undoubted(moment(1, 2, "25 frames a second are few", "talking"))
