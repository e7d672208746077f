"""The network's half of --moments: moments evenly in time, levels, and movements from what it tells."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge.bundle_files.sections import SpotRule
from edge.errors import BundleInvalid
from edge.moments.decode import Decoder, Found
from edge.moments.history import FAR, LOOKED, MOVES, RATE, ROWS, History, picture
from edge.moments.motion import Motion
from edge.moments.network import NetworkSpotter, told_of
from edge.moments.regions import REGIONS, Floats
from edge.moments.rule import RuleSpotter, Span
from edge.run import spotter_of
from tests.edge.moments.acted import hill, motions

STILL = Motion(np.zeros((len(REGIONS), 2), np.float32), False, (0.0, 0.0, 40.0))
BROW = 2 * REGIONS.index("left brow") + 1


def at(far: float) -> Motion:
    parts = np.zeros((len(REGIONS), 2), np.float32)
    parts[REGIONS.index("left brow"), 1] = far
    return replace(STILL, parts=parts)


@pytest.mark.parametrize("rate", [25.0, 30.0, 50.0, 100.0, 200.0, 240.0])
def test_a_ramp_is_the_same_ramp_at_every_frame_rate(rate: float) -> None:
    history, fresh = History(200), 0
    for index in range(round(rate) + 1):
        fresh += history.take(7.3 + index / rate, at(index / rate), 0.0)
    assert fresh in (100, 101) and history.time == pytest.approx(8.3, abs=0.011)
    ramp = history.last(100)[:, BROW]
    # Two or three frames of 240 a second make a moment, which is 2 ms then at most.
    np.testing.assert_allclose(np.diff(ramp), 0.01, atol=1e-4 if rate <= 200 else 2.2e-3)
    # At more frames than moments, a moment is the mean of those since the last.
    assert ramp[-1] == pytest.approx(history.time - 7.3, abs=0.006)


def test_a_frame_of_rest_moves_nothing_and_a_gap_begins_anew() -> None:
    history = History(50)
    for index in range(10):
        history.take(index / RATE, at(0.02), 0.0)
    history.rest()
    history.take(0.1, at(0.0), 0.0)
    np.testing.assert_allclose(history.last(11)[:, BROW], 0.02, atol=1e-6)
    assert history.between(0.05, 0.1).shape == (6, ROWS)
    assert history.between(-9, -8).shape == (1, ROWS)
    assert history.take(5000.0, at(0.5), 0.0) == 1  # and not the half million between
    assert (history.last(3)[:, BROW] == 0.5).all()


def test_levels_show_small_and_large_movements_and_not_where_the_parts_rest() -> None:
    rows = np.zeros((LOOKED, ROWS), np.float32)
    rows[:, :MOVES] = 0.07
    rows[-5, BROW] += 0.001
    rows[-4, BROW] -= FAR
    rows[-3, BROW] += 5 * FAR
    levels = picture(rows, 9)
    assert levels.shape == (ROWS, 9) and levels.dtype == np.uint8
    assert levels[BROW].tolist() == [128] * 4 + [137, 1, 255, 128, 128]
    assert (np.delete(levels, BROW, 0) == 128).all()


def told(times: npt.NDArray[np.float64], begin: float, apex: float, end: float, sure: float) -> Floats:
    bumps = [np.exp(-(((times - each) / 0.02) ** 2)) for each in (begin, apex, end)]
    return np.stack([sure * ((times > begin + 0.03) & (times < end - 0.03)), *bumps], 1).astype(np.float32)


def decoded(rows: Floats, times: npt.NDArray[np.float64]) -> list[Found]:
    decoder = Decoder(SpotRule(0, 0.6, 0.3))
    given = (decoder(float(time), row) for time, row in zip(times, rows, strict=True))
    return [found for found in given if found is not None]


def test_a_movement_is_cut_where_its_bounds_are_surest() -> None:
    times = np.arange(300) / RATE
    (found,) = decoded(told(times, 1.0, 1.13, 1.3, 0.9), times)
    assert found.onset == pytest.approx(1.0, abs=0.011) and found.offset == pytest.approx(1.3, abs=0.011)
    assert found.apex == pytest.approx(1.13, abs=0.005) and found.surely == pytest.approx(0.9)
    assert decoded(told(times, 1.0, 1.13, 1.3, 0.5), times) == []  # never as sure as a movement begins
    assert decoded(told(times, 1.0, 1.4, 1.8, 0.9), times) == []  # longer than half a second
    without = told(times, 1.0, 1.13, 1.3, 0.9)
    without[:, [1, 3]] = 0
    (rough,) = decoded(without, times)
    assert rough.onset == pytest.approx(1.03, abs=0.011) and rough.offset == pytest.approx(1.27, abs=0.011)


def test_what_comes_again_at_once_is_one_movement_and_later_another() -> None:
    times = np.arange(400) / RATE
    twice = np.maximum(told(times, 1.0, 1.1, 1.2, 0.9), told(times, 1.2, 1.3, 1.4, 0.9))
    assert len(decoded(twice, times)) == 1
    apart = np.maximum(told(times, 1.0, 1.1, 1.2, 0.9), told(times, 1.6, 1.7, 1.8, 0.9))
    assert [round(each.apex, 1) for each in decoded(apart, times)] == [1.1, 1.7]


def test_outputs_come_in_the_order_of_moments() -> None:
    logits = np.arange(8.0)[None] - 3
    np.testing.assert_allclose(told_of(logits)[0, :, 0], 1 / (1 + np.exp([3, 2])), rtol=1e-6)


# Up with the left brow is surprise, down with it negative.
UPWARD = {
    name: tuple(far if index == BROW else 0.0 for index in range(MOVES + 1))
    for name, far in (("positive", 0.0), ("negative", 9.0), ("surprise", -9.0), ("other", 0.0))
}


class Brows:
    """Tells a movement wherever the left brow stands out: what a network learns, by a formula."""

    window, told, rule = 41, 10, SpotRule(12)

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, levels: npt.NDArray[np.uint8]) -> Floats:
        self.asked += 1
        first = self.window - self.rule.ahead - self.told
        inside = levels[BROW, first : first + self.told] < 90
        return np.stack([0.9 * inside, *np.zeros((3, self.told))], 1).astype(np.float32)


def spotted(network: Brows, rate: float, ways: dict[str, object]) -> tuple[list[Span], list[float]]:
    spotter, found, when = NetworkSpotter(network), [], []
    rest = np.zeros((len(REGIONS), 2), np.float32)
    for time, motion in motions(5, rate, ways):  # type: ignore[arg-type]
        new = list(spotter(time, replace(motion, parts=motion.parts - rest)))
        when += [time] * len(new)
        found += new
        if spotter.rest:
            rest = motion.parts
    return found, when


@pytest.mark.parametrize("rate", [50.0, 100.0, 200.0])
def test_the_network_is_asked_a_hundred_times_a_second_and_told_times_are_the_films(rate: float) -> None:
    network = Brows()
    (span,), (when,) = spotted(network, rate, {"left brow": lambda t: 0.03 * hill(t, 2.0, 2.3)})
    assert span.onset == pytest.approx(2.03, abs=0.03) and span.offset == pytest.approx(2.27, abs=0.03)
    assert span.apex == pytest.approx(2.15, abs=0.02) and span.regions == ("left brow",)
    assert span.parts[REGIONS.index("left brow"), 1] == pytest.approx(-0.03, abs=0.012)
    assert network.asked in (49, 50)
    # Looked ahead, told by tens, and bounds looked for.
    assert when < span.offset + 0.12 + 0.1 + 0.08 + 0.05


def test_a_movement_has_the_tone_that_the_bundle_reads_from_its_way_and_the_rules_have_it_too() -> None:
    network = Brows()
    network.rule = SpotRule(12, tones=UPWARD)
    (short,), _ = spotted(network, 100, {"left brow": lambda t: 0.03 * hill(t, 2.0, 2.3)})
    (long,), _ = spotted(network, 100, {"left brow": lambda t: -0.05 * hill(t, 1.5, 3.0, 0.3)})
    (level,), _ = spotted(network, 100, {"nose": lambda t: -0.05 * hill(t, 1.5, 3.0, 0.3)})
    assert short.micro and short.tone == "surprise"
    assert not long.micro and long.tone == "negative" and level.tone is None


def test_longer_movements_are_the_rules_and_a_lost_face_begins_anew() -> None:
    spans, _ = spotted(Brows(), 100, {"nose": lambda t: 0.05 * hill(t, 1.5, 3.0, 0.3)})
    assert [span.micro for span in spans] == [False]
    spotter = NetworkSpotter(Brows())
    for index in range(300):
        far = 0.05 * hill(index / 100, 2.0, 2.3)
        motion = replace(at(-far), lost=1.9 < index / 100 < 2.4)
        assert not spotter(index / 100, motion)
    spotter.restart()
    assert spotter.rest and spotter.height == 0


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        ({"ahead": -1}, "ahead"),
        ({"ahead": True}, "ahead"),
        ({"ahead": 3, "begin": 0.2, "end": 0.3}, "begin"),
        ({"ahead": 3, "begin": 1.0}, "begin"),
        ({"ahead": 3, "tones": {"positive": (1.0,)}}, "tones"),
        ({"ahead": 3, "tones": {**UPWARD, "other": (0.0,)}}, "tones"),
        ({"ahead": 3, "tones": {**UPWARD, "other": ("much",) * len(UPWARD["other"])}}, "tones"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(spoiled: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleInvalid, match=f"'{said}'"):
        SpotRule(**spoiled)


def test_the_network_that_ships_spots_unless_the_rule_is_asked_for() -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    with ExitStack() as finish:
        assert isinstance(spotter_of("", finish)(), NetworkSpotter)
        assert spotter_of("rule", finish) is RuleSpotter
