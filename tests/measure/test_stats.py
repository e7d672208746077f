"""Percentiles, values of 100 ms, pyperf's rules and the ratio's interval."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measure import stats

TIMES = st.lists(st.floats(0.01, 1000), min_size=1, max_size=60)


@settings(deadline=None)
@given(times=TIMES, share=st.floats(0.01, 1.0))
def test_a_percentile_is_a_time_that_occurred_and_leaves_that_share_below(
    times: list[float], share: float
) -> None:
    value = stats.percentile(times, share)
    assert value in times
    assert sum(each <= value for each in times) >= share * len(times) - 1e-9
    assert sum(each < value for each in times) < share * len(times)


def test_percentiles_of_known_times() -> None:
    times = [float(each) for each in range(100, 0, -1)]
    assert [stats.percentile(times, share) for share in (0.5, 0.9, 0.95, 0.99)] == [50, 90, 95, 99]


@settings(deadline=None)
@given(times=TIMES)
def test_values_are_means_of_whole_spans(times: list[float]) -> None:
    grouped = stats.values(times)
    if sum(times) < stats.VALUE_MS / 2:
        assert grouped == [statistics.fmean(times)]
    assert min(times) - 1e-9 <= min(grouped) and max(grouped) <= max(times) + 1e-9


def test_values_group_by_time_not_by_number() -> None:
    assert stats.values([25.0] * 8 + [99.0]) == [25.0, 25.0]
    assert stats.values([150.0, 50.0, 50.0, 1.0]) == [150.0, 50.0]


def test_steady_times_are_stable() -> None:
    assert stats.summary([10.0, 10.4, 9.8] * 40).unstable == ()


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ([20.0] * 15, "only 3 values"),
        ([100.0, 130.0] * 10, "standard deviation is 1"),
        ([100.0] * 30 + [170.0], "maximum is 6"),
        ([200.0] * 30 + [100.0], None),
        ([400.0] * 30 + [110.0], "minimum is 7"),
        ([0.001] * 5, "all queries together"),
    ],
)
def test_pyperfs_rules(times: list[float], why: str | None) -> None:
    reasons = stats.summary(times).unstable
    assert (why is None and not reasons) or any(why and why in reason for reason in reasons)


def test_one_slow_query_among_thousands_of_short_ones_is_no_instability() -> None:
    assert stats.summary([1.0] * 2000 + [9.0] + [1.0] * 2000).unstable == ()


def test_the_ratio_and_its_interval() -> None:
    before = [10.0, 10.1, 9.9, 10.2, 9.8] * 6
    ratio, low, high = stats.ratio_interval(before, [2 * each for each in before])
    assert ratio == pytest.approx(2.0) and 1.9 < low <= 2.0 <= high < 2.1
    same, low, high = stats.ratio_interval(before, before)
    assert same == 1.0 and low <= 1 <= high


def test_rounding_reaches_into_tables() -> None:
    assert stats.rounded({"a": (1.234567, [2.0]), "b": None, "c": True, "d": 3}) == {
        "a": [1.2346, [2.0]],
        "b": None,
        "c": True,
        "d": 3,
    }
