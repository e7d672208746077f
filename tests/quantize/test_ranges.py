"""Each method's range on values whose best range is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quantize.prepare.ranges import METHODS, Ranges


def chosen(method: str, batches: list[Any], percentile: float = 99.0) -> tuple[float, float]:
    found = Ranges(method, percentile)
    for batch in batches:
        found.see("x", batch)
    if found.needs_counts:
        for batch in batches:
            found.count("x", batch)
    return found.chosen()["x"]


@pytest.fixture
def bell() -> list[Any]:
    """20 batches of 10 faces, 500 values each, of spread 1; one value of all is 40."""
    draw = np.random.default_rng(0)
    batches = [draw.normal(size=(10, 500)).astype(np.float32) for _ in range(20)]
    batches[7][3, 4] = 40
    return batches


def test_minmax_is_what_was_seen_and_average_the_mean_of_each_faces_extremes(bell: list[Any]) -> None:
    every = np.concatenate(bell)
    assert chosen("minmax", bell) == pytest.approx((every.min(), 40))
    assert chosen("average", bell) == pytest.approx((every.min(1).mean(), every.max(1).mean()), rel=1e-5)


def test_a_percentile_leaves_out_half_of_the_rest_at_either_end(bell: list[Any]) -> None:
    low, high = chosen("percentile", bell, 98.0)
    every = np.concatenate(bell)
    width = float(40 - every.min()) / 2048
    assert low == pytest.approx(np.percentile(every, 1), abs=2 * width)
    assert high == pytest.approx(np.percentile(every, 99), abs=2 * width)


def test_entropy_cuts_off_one_outlier_of_a_hundred_thousand(bell: list[Any]) -> None:
    """With 256 levels over -4.5 to 40 a step is 0.17: the bell is worth more than one value."""
    low, high = chosen("entropy", bell)
    assert 3 < high < 8 and -5 <= low < -3


def test_the_range_with_the_least_squared_error_has_less_than_the_extremes(bell: list[Any]) -> None:
    every = np.concatenate(bell)

    def error(span: tuple[float, float]) -> float:
        low, high = span
        step = (high - low) / 255
        rounded = low + np.round((np.clip(every, low, high) - low) / step) * step
        return float(((rounded - every) ** 2).mean())

    assert error(chosen("mse", bell)) < 0.9 * error(chosen("minmax", bell))


@pytest.mark.parametrize("method", METHODS)
def test_an_even_spread_keeps_its_whole_range(method: str) -> None:
    even = [np.linspace(0, 6, 200_000, dtype=np.float32).reshape(10, -1)]
    shuffled = [np.random.default_rng(0).permutation(even[0].reshape(-1)).reshape(10, -1)]
    low, high = chosen(method, shuffled, 99.99)
    assert low == 0 and high > 5.7


@pytest.mark.parametrize("method", METHODS)
def test_every_range_holds_zero_and_a_constant_has_one(method: str) -> None:
    assert chosen(method, [np.full((2, 4), 3.0, np.float32)]) == (0.0, 3.0)
    assert chosen(method, [np.full((2, 4), -3.0, np.float32)]) == (-3.0, 0.0)
    assert chosen(method, [np.zeros((2, 4), np.float32)]) == (0.0, 0.0)


def test_too_few_values_for_a_histogram_keep_their_extremes() -> None:
    few = [np.random.default_rng(0).normal(size=(10, 7)).astype(np.float32)]
    assert chosen("entropy", few) == chosen("minmax", few)
