from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces import metrics

LABELS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 2])


def test_known_values() -> None:
    assert metrics.accuracy(PREDICTED, LABELS) == pytest.approx(4 / 6)
    table = metrics.confusion(PREDICTED, LABELS, 7)
    assert table[:3, :3].tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert table.sum() == 6
    precision, recall, f1 = metrics.precision_recall_f1(PREDICTED, LABELS, 7)
    assert precision.tolist() == pytest.approx([2 / 3, 1 / 2, 1, 0, 0, 0, 0])
    assert recall.tolist() == pytest.approx([2 / 3, 1 / 2, 1, 0, 0, 0, 0])
    assert f1.tolist() == pytest.approx([2 / 3, 1 / 2, 1, 0, 0, 0, 0])
    assert metrics.macro_f1(PREDICTED, LABELS, 7) == pytest.approx((2 / 3 + 1 / 2 + 1) / 7)


def test_precision_and_recall_are_not_mixed_up() -> None:
    precision, recall, _ = metrics.precision_recall_f1(np.array([3, 3, 3, 3]), np.array([3, 4, 4, 4]), 7)
    assert precision[3] == pytest.approx(1 / 4)
    assert recall[3] == 1
    assert recall[4] == 0


def test_wilson_interval_of_a_textbook_case() -> None:
    # 81 of 263: Newcombe (1998), table I, method 3.
    low, high = metrics.wilson_interval(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert metrics.wilson_interval(1.0, 10)[1] == pytest.approx(1.0)


def sure(confidence: list[float], right: list[bool]) -> tuple[Any, Any]:
    rows = [[c, *([(1 - c) / 6] * 6)] for c in confidence]
    return np.array(rows), np.array([0 if ok else 3 for ok in right])


def test_calibration_error_of_known_answers() -> None:
    # Two bins: 4 answers at 0.8 of which half are right, 4 at 0.95 all right.
    probabilities, labels = sure([0.81] * 4 + [0.95] * 4, [True, False, True, False] + [True] * 4)
    assert metrics.expected_calibration_error(probabilities, labels) == pytest.approx(
        0.5 * abs(0.5 - 0.81) + 0.5 * abs(1 - 0.95)
    )
    bins = metrics.reliability(probabilities, labels)
    assert [each.count for each in bins if each.count] == [4, 4]
    assert bins[14].accuracy == 1.0
    assert bins[14].confidence == pytest.approx(0.95)


def test_full_confidence_falls_into_the_last_bin() -> None:
    probabilities, labels = sure([1.0], [False])
    assert metrics.expected_calibration_error(probabilities, labels) == pytest.approx(1.0)


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_calibration_error_is_a_share_and_zero_only_if_confidence_is_earned(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(7), count)
    labels = rng.integers(0, 7, count)
    error = metrics.expected_calibration_error(probabilities, labels)
    assert 0 <= error <= 1
    bins = metrics.reliability(probabilities, labels)
    assert sum(each.count for each in bins) == count
    overall = sum(each.count * each.accuracy for each in bins) / count
    assert overall == pytest.approx(metrics.accuracy(probabilities.argmax(1), labels))


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_spoilt_the_logits_is_found(temperature: float) -> None:
    rng = np.random.default_rng(1)
    honest = rng.normal(0, 1.5, (4000, 7))
    chances = metrics.softmax(honest)
    labels = np.array([rng.choice(7, p=row) for row in chances])
    found = metrics.fit_temperature(honest * temperature, labels)
    assert found == pytest.approx(temperature, rel=0.1)
    before = metrics.expected_calibration_error(metrics.softmax(honest * temperature), labels)
    after = metrics.expected_calibration_error(metrics.softmax(honest * temperature, found), labels)
    assert after < max(0.03, before)


def test_softmax_survives_huge_logits() -> None:
    logits = np.array([[1e4, 0, 0], [-1e4, 0, -1e4]], np.float32)
    np.testing.assert_allclose(metrics.softmax(logits), [[1, 0, 0], [0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(
        metrics.softmax(np.array([[2.0, 0.0]]), 2.0), [[np.e / (np.e + 1), 1 / (np.e + 1)]]
    )
