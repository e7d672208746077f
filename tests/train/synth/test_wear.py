"""Occluders: what they cover is told exactly, and the picture is changed nowhere else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge.errors import DataInvalid
from tests.train.synth.plain_face import landmarks
from train.synth import wear

MARKS = landmarks()
OTHER = np.random.default_rng(4).integers(0, 256, (48, 48), np.uint8)


def even(level: int = 120) -> npt.NDArray[np.uint8]:
    return np.full((96, 96), level, np.uint8)


def worn(kind: str, seed: int) -> wear.Worn:
    return wear.wear(even(), MARKS, kind, np.random.default_rng(seed), OTHER)


@pytest.mark.parametrize("kind", wear.KINDS)
def test_the_picture_changes_only_where_the_occluder_is(kind: str) -> None:
    for seed in range(8):
        over = worn(kind, seed)
        np.testing.assert_array_equal(over.picture[over.opaque == 0], 120)
        assert over.opaque.min() >= 0 and over.opaque.max() <= 1
        assert over.picture[over.opaque > 0.5].size


@pytest.mark.parametrize("kind", wear.KINDS)
def test_the_same_draw_gives_the_same_picture(kind: str) -> None:
    np.testing.assert_array_equal(worn(kind, 3).picture, worn(kind, 3).picture)
    assert any((worn(kind, 3).opaque != worn(kind, seed).opaque).any() for seed in range(4, 8))


def share_covered(kind: str, region: str, count: int = 40) -> float:
    points = list(wear.REGIONS[region])
    return float(np.mean([worn(kind, seed).covers(MARKS)[points].mean() for seed in range(count)]))


def test_each_occluder_covers_what_it_is_worn_for() -> None:
    assert share_covered("mask", "mouth") == 1 and share_covered("mask", "right eye") == 0
    assert share_covered("scarf", "mouth") > 0.6 and share_covered("scarf", "left brow") == 0
    assert share_covered("hair", "right brow") > 0.3 and share_covered("hair", "mouth") < 0.3
    for kind in ("hand", "thing", "patch"):
        assert 0.02 < share_covered(kind, "nose") < 0.9, kind


def test_dark_glasses_cover_eyes_and_clear_ones_only_what_is_under_the_frame() -> None:
    covered = [worn("glasses", seed).covers(MARKS)[36:48].mean() for seed in range(40)]
    assert sum(share == 1 for share in covered) > 8 and sum(share < 0.5 for share in covered) > 8
    assert share_covered("glasses", "mouth") == 0


def test_a_point_beside_the_picture_is_not_called_covered() -> None:
    over = worn("scarf", 1)
    assert not over.covers(MARKS + 500).any()


def test_regions_are_seen_by_their_share_of_landmarks() -> None:
    visible = np.ones((2, 68), bool)
    visible[1, 48:58] = False
    np.testing.assert_allclose(wear.region_visibility(visible), [[1] * 6, [1, 1, 1, 1, 1, 0.5]])


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(DataInvalid, match="unknown occluder 'hat': choose mask, glasses"):
        wear.wear(even(), MARKS, "hat", np.random.default_rng(1))
    with pytest.raises(DataInvalid, match="'patch' needs another photograph"):
        wear.wear(even(), MARKS, "patch", np.random.default_rng(1))
