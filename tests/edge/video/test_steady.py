"""Smoothing over time that follows a true change at once, and names without flicker."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.video.steady import CONFIRMED, HOLD, Steady


def over(steady: Steady, rows: list[list[float]], pause: float) -> list[float]:
    result: list[float] = []
    for index, row in enumerate(rows):
        steady.take(row, index * pause)
        result = list(steady.at(index * pause))
    return result


def test_smoothing_depends_on_time_not_on_how_often_a_face_is_read() -> None:
    slow = over(Steady(0.4), [[0.7, 0.3]] + [[0.4, 0.6]] * 10, 0.1)
    fast = over(Steady(0.4), [[0.7, 0.3]] + [[0.4, 0.6]] * 100, 0.01)
    seldom = Steady(0.4)
    seldom.take([0.7, 0.3], 0.0)
    seldom.take([0.4, 0.6], 0.0)
    np.testing.assert_allclose(slow, fast, atol=1e-9)
    np.testing.assert_allclose([seldom.at(0.3), seldom.at(1.0)][1], slow, atol=1e-9)
    assert slow[0] == pytest.approx(0.4 + 0.3 * math.exp(-1 / 0.4))


def test_no_smoothing_gives_each_reading_as_it_is() -> None:
    steady = Steady(0)
    assert over(steady, [[1, 0], [0.25, 0.75]], 0.01) == [0.25, 0.75]
    assert steady.expression == 1 and not steady.unsure


@pytest.mark.parametrize("rate", [10, 15, 25, 30, 60])
@pytest.mark.parametrize("weight", [0.75, 0.9, 1.0])
def test_a_true_change_is_named_within_150_ms(rate: int, weight: float) -> None:
    steady = Steady(0.4)
    before, after = [weight, 1 - weight, 0.0], [0.0, 1 - weight, weight]
    named = []
    for frame in range(3 * rate):
        now = frame / rate
        steady.take(before if now < 1 else after, now)
        steady.at(now)
        named.append(steady.expression)
    assert set(named[:rate]) == {0} and named[-1] == 2
    assert (named.index(2) - rate) / rate <= 0.15


def test_a_single_reading_of_another_expression_changes_nothing_and_asks_for_another() -> None:
    steady = Steady(0.4)
    for frame in range(100):
        now = frame / 25
        steady.take([0.05, 0.95] if frame % 10 == 9 else [0.95, 0.05], now)
        assert steady.unsure == (frame % 10 == 9)
        steady.at(now)
        assert steady.expression == 0
    steady.take([0.05, 0.95], 10.0)
    steady.take([0.05, 0.95], 10.0 + CONFIRMED + 0.1)
    assert steady.unsure, "what confirms must come soon"


def test_two_expressions_of_nearly_one_weight_do_not_flicker() -> None:
    random, steady, named = np.random.default_rng(2), Steady(0.4), []
    for frame in range(1200):
        lead = float(random.normal(0, 0.08))
        steady.take([0.45 + lead, 0.45 - lead, 0.1], frame / 30)
        steady.at(frame / 30)
        named.append(steady.expression)
    flips = sum(a != b for a, b in pairwise(named))
    assert flips <= 20, "two in 120 frames"


def test_who_leads_for_long_is_named_however_little_it_leads() -> None:
    steady = Steady(0.1)
    steady.take([0.52, 0.48], 0.0)
    steady.at(0.0)
    for frame in range(1, 60):
        steady.take([0.48, 0.52], frame / 30)
        steady.at(frame / 30)
    assert steady.expression == 1
    assert HOLD < 1


rows = st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda row: sum(row) > 0.01)


@given(st.lists(rows, min_size=1, max_size=8), st.floats(0, 0.5))
def test_smoothed_weights_still_sum_to_one(given_rows: list[list[float]], pause: float) -> None:
    normal = [[value / sum(row) for value in row] for row in given_rows]
    result = over(Steady(0.3), normal, pause)
    assert sum(result) == pytest.approx(1)
    assert min(result) >= 0
