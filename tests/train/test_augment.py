from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train import make
from train.augment import augment, cutmix, mixup
from train.recipe import AugmentRecipe

NOTHING = AugmentRecipe(flip=False)
STRONG = AugmentRecipe(
    rotate=30,
    scale=0.3,
    shift=0.2,
    shear=0.2,
    light=0.6,
    noise=30,
    blur=0.5,
    erase=0.5,
    mixup=0.4,
    jpeg=0.9,
    motion=0.9,
)
CHANGES = [field.name for field in fields(AugmentRecipe) if field.name not in ("mixup", "cutmix")]


def some_faces(count: int = 8, side: int = 48) -> torch.Tensor:
    return torch.from_numpy(make.faces(np.arange(count) % 7, seed=count, side=side))


def test_nothing_asked_nothing_changed() -> None:
    faces = some_faces()
    torch.testing.assert_close(augment(faces, 48, NOTHING), faces.unsqueeze(1).float(), atol=2e-3, rtol=0)


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_alone_changes_faces(change: str) -> None:
    alone = replace(NOTHING, **{change: True if change == "flip" else getattr(STRONG, change)})
    torch.manual_seed(1)
    faces = some_faces()
    assert (augment(faces, 48, alone) - faces.unsqueeze(1)).abs().mean() > 0.5


def test_a_flip_is_the_mirror_image() -> None:
    faces = some_faces(16)
    torch.manual_seed(0)
    changed = augment(faces, 48, AugmentRecipe())
    plain, mirrored = faces.unsqueeze(1).float(), faces.unsqueeze(1).float().flip(3)
    is_plain = (changed - plain).abs().amax((1, 2, 3)) < 1e-2
    is_mirrored = (changed - mirrored).abs().amax((1, 2, 3)) < 1e-2
    assert (is_plain ^ is_mirrored).all()
    assert is_plain.any()
    assert is_mirrored.any()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(16, 64),
    st.integers(1, 5),
    st.sampled_from([16, 48, 64]),
)
def test_any_change_stays_in_grey_levels_and_repeats_with_its_seed(
    seed: int, size: int, count: int, side: int
) -> None:
    faces = some_faces(count, side)
    before = faces.clone()
    torch.manual_seed(seed)
    first = augment(faces, size, STRONG)
    torch.manual_seed(seed)
    again = augment(faces, size, STRONG)
    assert first.shape == (count, 1, size, size)
    assert first.dtype == torch.float32
    assert first.isfinite().all()
    assert 0 <= first.min() <= first.max() <= 255
    assert torch.equal(first, again)
    assert torch.equal(faces, before)


def test_other_seeds_give_other_faces() -> None:
    faces = some_faces()
    torch.manual_seed(1)
    first = augment(faces, 48, STRONG)
    torch.manual_seed(2)
    assert not torch.equal(first, augment(faces, 48, STRONG))


def test_blank_faces_survive_every_change() -> None:
    for level in (0, 255):
        blank = torch.full((4, 48, 48), level, dtype=torch.uint8)
        assert augment(blank, 48, STRONG).isfinite().all()


def test_noise_has_at_most_the_deviation_asked_for() -> None:
    grey = torch.full((200, 48, 48), 128, dtype=torch.uint8)
    torch.manual_seed(4)
    spread = augment(grey, 48, replace(NOTHING, noise=10)).std((1, 2, 3))
    assert spread.max() < 10.6
    assert spread.max() > 8


def test_erasing_paints_one_flat_rectangle_of_the_stated_area() -> None:
    torch.manual_seed(6)
    faces = some_faces(64)
    changed = augment(faces, 48, replace(NOTHING, erase=1.0)).squeeze(1)
    for before, after in zip(faces.float(), changed, strict=True):
        hole = (after - before).abs() > 0.01
        rows, columns = torch.nonzero(hole, as_tuple=True)
        high, wide = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
        assert 0.03 < high * wide / 48**2 < 0.29
        box = after[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert box.std() < 0.01


def test_a_rotation_keeps_the_middle_and_moves_the_edge() -> None:
    board = torch.zeros(32, 48, 48, dtype=torch.uint8)
    board[:, 22:26, 22:26] = 200
    board[:, :, :3] = 200
    torch.manual_seed(2)
    changed = augment(board, 48, replace(NOTHING, rotate=30.0)).squeeze(1)
    assert (changed[:, 23:25, 23:25] > 150).all()
    assert (changed - board).abs().mean() > 1


def mixed(
    alpha: float, change: Callable[..., tuple[torch.Tensor, torch.Tensor]] = mixup
) -> tuple[torch.Tensor, ...]:
    x = torch.arange(16.0).view(16, 1, 1, 1).expand(16, 1, 4, 4)
    y = torch.eye(16)
    torch.manual_seed(3)
    return x, y, *change(x, y, alpha)


def test_no_mixup_hands_back_what_it_got() -> None:
    x, y, blended, targets = mixed(0.0)
    assert blended is x
    assert targets is y


def test_mixup_blends_faces_and_targets_by_the_same_share() -> None:
    x, _, blended, targets = mixed(0.4)
    torch.testing.assert_close(targets.sum(1), torch.ones(16))
    # Face k is the constant picture k, so a blend's level is the targets' expectation.
    torch.testing.assert_close(blended[:, 0, 0, 0], targets @ x[:, 0, 0, 0])
    assert (targets.diagonal() >= 0.5).all()
    assert (targets.diagonal() < 0.999).any()


@given(st.integers(0, 10_000), st.floats(0.1, 4.0))
def test_cutmix_mixes_targets_by_the_share_of_pixels(seed: int, alpha: float) -> None:
    x = torch.arange(16.0).view(16, 1, 1, 1).expand(16, 1, 20, 20)
    y = torch.eye(16)
    torch.manual_seed(seed)
    mixed_x, mixed_y = cutmix(x, y, alpha)
    for face, target in zip(mixed_x, mixed_y, strict=True):
        shares = torch.bincount(face.long().view(-1), minlength=16) / 400
        torch.testing.assert_close(shares, target, atol=1e-6, rtol=0)
    assert torch.equal(x[:, 0, 0, 0], torch.arange(16.0))


def test_the_noise_of_an_enlarged_face_is_as_coarse_as_the_face() -> None:
    faces = torch.full((64, 24, 24), 127, dtype=torch.uint8)
    kept = {}
    for side in (24, 48):
        torch.manual_seed(5)
        x = augment(faces, side, replace(NOTHING, noise=30.0)) - 127
        beside = (x[..., 1:] * x[..., :-1]).mean((1, 2, 3)) / (x**2).mean((1, 2, 3))
        kept[side] = float(beside.mean())
    assert abs(kept[24]) < 0.05 and kept[48] > 0.5
