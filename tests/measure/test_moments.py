"""What the benchmark of short movements counts: right, false and missed ones, and doubted ones apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.moments import table
from benchmarks.moments.tally import Tally, naming, undoubted
from edge.bundle_files.sections import TONES_AND_OTHER
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


def test_an_expression_is_one_that_alone_always_has_the_actions_and_its_name_right_null_or_wrong() -> None:
    smile = Happening("micro", Curve(1.0, 0.1, 0.0, 0.1), 0.03, STILL, (6, 12))
    assert smile.expression == "happiness"
    # Brows go up in fear and in surprise; lips press in none but anger; a dimple is of none.
    others = [replace(smile, actions=actions).expression for actions in ((1, 2), (24,), (14,), ())]
    assert others == ["", "anger", "", ""]
    words = [naming(smile, named) for named in ("happiness", None, "anger")]
    assert words == ["right", "null", "wrong"]
    tally, film = Tally(), replace(a_film(), happenings=[smile])
    tally.take(film, [replace(moment(1.0, 1.2), expression="anger", tone="positive")])
    assert tally.as_json()["named"] == {"right": 0, "null": 0, "wrong": 1}
    assert tally.as_json()["toned"]["positive"] == {"positive": 1, "negative": 0, "surprise": 0, "other": 0}


def test_tables_show_the_rule_beside_the_network() -> None:
    tally = Tally()
    tally.take(a_film(), [moment(1.02, 1.2)])
    figures, none = tally.as_json(), dict.fromkeys(TONES_AND_OTHER, 0)
    record = {
        "spotters": {"rule": {"100": figures}, "network": {"100": {**figures, "f1": 0.125}}},
        "engine": "onnx",
        "engines": {"float": {**figures, "apex_off_ms": None}},
        "tones": {
            "people": 3,
            "seconds": 9.5,
            "at_true_times": {"negative": {**none, "negative": 1, "other": 3}},
        },
        "naming": {"people": 3, "at_true_times": {"0.02-0.035": {"right": 1, "null": 3, "wrong": 0}}},
    }
    assert "1 / 1 | 0 / 0" not in table.by_kind(record) and "100% / 100%" in table.by_kind(record)
    assert "| the network in float | 0.667 |" in table.engines(record)
    assert "farthest point 2-3.5 % | 4 | 1 (25%) | 3 (75%) | 0 (0%) |" in table.naming(record)
    assert "| spotted by the network at 100 frames a second | 0 | - | - | - |" in table.naming(record)
    tones = table.toned(record)
    assert tones.endswith("At their true times: of 3 people, 9.5 s each.")
    assert "| negative, at their true times | 4 | 0 (0%) | 1 (25%) | 0 (0%) | 3 (75%) |" in tones
    assert "none, spotted by the network at 100 frames a second | 1 | 0 (0%) | 0 (0%) | 0 (0%) | 1" in tones
