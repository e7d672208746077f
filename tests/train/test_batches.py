from __future__ import annotations

import numpy as np
import pytest
import torch

from edge.errors import DataInvalid, RecipeInvalid
from tests.train import make
from train import batches, recipe
from train.batches import Batches
from train.recipe import Recipe


def chosen(train: str = "", augment: str = "") -> Recipe:
    text = make.RECIPE.replace("[train]", f"[train]\n{train}").replace("[augment]", f"[augment]\n{augment}")
    return recipe.parse(text, "x")


def test_a_step_is_a_function_of_its_number() -> None:
    made = make.face_set(40, 1)
    first, again = Batches(chosen(), made), Batches(chosen(), made)
    for step in (7, 2, 7, 14):
        x, y, _ = first.at(step)
        again.at((step + 3) % 15)
        x2, y2, _ = again.at(step)
        assert torch.equal(x, x2) and torch.equal(y, y2)
    assert not torch.equal(first.at(7)[0], first.at(8)[0])


def test_an_epoch_shows_every_face_once_and_the_next_in_another_order() -> None:
    made = make.face_set(40, 1)
    # Nothing mixes the faces, and these targets tell one from another.
    found = Batches(recipe.parse(make.RECIPE.replace("mixup = 0.2", ""), "x"), made)
    found._targets = torch.eye(40)
    epochs = [torch.cat([found.at(e * 5 + k)[1].argmax(1) for k in range(5)]).tolist() for e in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(40))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize(("balance", "low", "high"), [(0.0, 0.05, 0.15), (0.5, 0.2, 0.3), (1.0, 0.45, 0.55)])
def test_class_balance_decides_how_often_a_rare_class_is_drawn(
    balance: float, low: float, high: float
) -> None:
    labels = np.array([0] * 90 + [1] * 10)
    chances = batches.class_chances(labels, balance)
    share = 0.1 if chances is None else float(chances[labels == 1].sum())
    assert (chances is None) == (balance == 0)
    assert low <= share <= high
    if chances is not None:
        assert chances.sum() == pytest.approx(1)


def test_balanced_batches_show_the_rare_class() -> None:
    made = make.face_set(400, 1)
    labels = np.where(np.arange(400) < 8, 1, 3)
    rare = batches.FaceSet("rare", made.faces, labels, made.votes * 0, labels)
    plain, balanced = Batches(chosen(), rare), Batches(chosen("class_balance = 1.0"), rare)

    def share(of: Batches) -> float:
        return float(torch.cat([of.at(step)[1] for step in range(of.per_epoch)])[:, 1].mean())

    assert share(plain) < 0.08
    assert share(balanced) > 0.3


@pytest.mark.parametrize("mix", ["mixup = 0.0", "mixup = 1.0", "cutmix = 1.0"])
def test_what_is_taught_is_mixed_as_the_labels_are(mix: str) -> None:
    made = make.face_set(40, 1)
    found = Batches(recipe.parse(make.RECIPE.replace("mixup = 0.2", mix), "x"), made)
    assert found.at(0).taught.shape == (8, 0)
    before = found.at(3)
    # Teachers that say what the labels say, in another unit.
    found.taught = found._targets * 5
    batch = found.at(3)
    assert torch.equal(batch.grey, before.grey) and torch.equal(batch.target, before.target)
    torch.testing.assert_close(batch.taught, batch.target * 5)


def test_sizes_take_equal_parts_of_the_run() -> None:
    text = make.RECIPE.replace("epochs = 3", "epochs = 6\nsizes = [24, 32, 16]")
    found = Batches(recipe.parse(text, "x"), make.face_set(40, 1))
    assert [found.size(epoch) for epoch in range(6)] == [24, 24, 32, 32, 16, 16]
    assert found.at(0)[0].shape == (8, 1, 24, 24)
    assert found.at(found.total - 1)[0].shape == (8, 1, 16, 16)


def test_sizes_must_end_with_the_models_own() -> None:
    with pytest.raises(
        RecipeInvalid, match=r"train\.sizes ends with 24, and must end with model\.input_size 16"
    ):
        Batches(chosen("sizes = [16, 24]"), make.face_set(40, 1))


def test_too_few_faces_are_refused() -> None:
    with pytest.raises(DataInvalid, match="made-1 has 7 faces, fewer than a batch of 8"):
        Batches(chosen(), make.face_set(7, 1))


def test_with_both_each_batch_gets_mixup_or_cutmix() -> None:
    made = make.face_set(40, 1)
    levels = np.where(np.arange(40) % 2, 255, 0).astype(np.uint8)
    flat = batches.FaceSet(
        "flat", made.faces * 0 + levels[:, None, None], made.labels, made.votes, made.majority
    )
    plain = (
        make.RECIPE.split("[augment]")[0] + "[train]\nepochs = 3\nbatch_size = 8\n[augment]\nflip = false\n"
    )
    for text, expected in [
        ("cutmix = 1.0", {True}),
        ("mixup = 1.0", {False}),
        ("cutmix = 1.0\nmixup = 1.0", {True, False}),
    ]:
        found = Batches(recipe.parse(plain + text, "x"), flat)
        # Of black and white faces cutmix leaves black and white, mixup makes greys.
        pure = {bool(((x == 0) | (x == 255)).all()) for x, _, _ in map(found.at, range(15))}
        assert pure == expected
