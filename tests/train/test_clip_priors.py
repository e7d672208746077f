"""How common labels are among clips of each making."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.train import make
from train.clip_priors import RARE, draws, log_priors

LABELS = np.array([3] * 9 + [6] * 4 + [0] * 4 + [1] * 4)
MADE = np.array(["morphed"] * 13 + ["rendered"] * 8)
CLIPS = replace(make.clip_set(21, 1, 4), labels=LABELS, making="mixed", made=MADE)


def test_each_making_comes_as_often_and_of_each_a_label_by_the_root_of_its_share() -> None:
    weights = draws(CLIPS)
    assert weights.sum() == pytest.approx(1)
    assert weights[MADE == "morphed"].sum() == pytest.approx(0.5)
    assert weights[LABELS == 3].sum() / weights[LABELS == 6].sum() == pytest.approx(3 / 2)


def test_a_making_has_its_own_priors_in_which_what_it_lacks_is_rare_and_what_runs_backward_is_calm() -> None:
    shares = np.exp(log_priors(CLIPS, 0.25, 6))
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    photograph, head = shares[0], shares[-1]
    assert photograph[3] == pytest.approx((0.75 * 0.6 + RARE) / (1 + 7 * RARE), rel=1e-4)
    assert photograph[6] == pytest.approx((0.75 * 0.4 + 0.25 + RARE) / (1 + 7 * RARE), rel=1e-4)
    assert head[0] == pytest.approx(head[1]) and head[6] == pytest.approx((0.25 + RARE) / 1.07, rel=1e-4)
    assert photograph[1] == pytest.approx(RARE / 1.07, rel=1e-4)


def test_clips_of_one_making_are_all_alike_and_some_of_them_keep_how_they_were_made() -> None:
    one = replace(CLIPS, making="rendered", made=None)
    assert np.ptp(log_priors(one, 0.2, 6), 0).max() == 0
    some = CLIPS.take(np.array([0, 20]))
    assert some.made is not None and some.made.tolist() == ["morphed", "rendered"]
    assert one.take(np.array([0, 20])).made is None
