"""How much pain is shown and how much is seen go together, or the figures say that they do not."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="systems are trained with torch")

from benchmarks.systems.severity import rank_correlation, ranks


def test_ranks_are_shared_by_what_is_alike() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [2.5, 0, 2.5, 1]


def test_what_rises_with_strength_correlates_whatever_its_shape() -> None:
    strength = np.linspace(0, 1, 11)
    assert rank_correlation(strength, np.exp(9 * strength)) == pytest.approx(1)
    assert rank_correlation(strength, -(strength**3)) == pytest.approx(-1)
    assert rank_correlation(strength, np.zeros(11)) == 0
    assert abs(rank_correlation(strength, (np.arange(11.0) - 5) ** 2)) < 1e-9
