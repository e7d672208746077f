"""Regions of a face: where they go when it is changed, what hides them, and that the network heeds both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edge.errors import DataInvalid, RecipeInvalid
from edge.extras.regions import PARTS
from faces.face_set import FaceSet
from tests.train import make
from train import loop, recipe
from train.augment import augment, augment_moving
from train.landmarked import Landmarked, LandmarkedStream
from train.recipe import AugmentRecipe, Recipe
from train.streams import streams_of
from train.systems.map_net import MapNet, RegionBranch

TEXT = make.RECIPE.replace("mixup = 0.2", "") + '[system]\nname = "map_net"\nfeatures = 16\n'
TEXT = TEXT.replace("input_size = 16", "input_size = 48\nstrides = [2, 1, 1, 2, 2, 1, 2, 1]")


@pytest.fixture
def chosen() -> Recipe:
    return recipe.parse(TEXT, "tiny")


@pytest.fixture
def faces() -> FaceSet:
    """Faces whose landmarks lie about where a face's do."""
    middles = np.array([[0.3, 0.3], [0.7, 0.3], [0.3, 0.42], [0.7, 0.42], [0.5, 0.55], [0.5, 0.78]])
    points = np.full((30, 68, 2), 0.5, np.float32)
    points[:, :17] = np.stack([np.linspace(0.1, 0.9, 17), np.full(17, 0.9)], 1)
    for (start, end), middle in zip(PARTS, middles, strict=True):
        points[:, start:end] = middle + np.linspace(-0.06, 0.06, end - start)[:, None] * [1, 0.2]
    return replace(make.face_set(30, 1), landmarks=points)


def test_points_move_with_the_pixels_that_they_lie_on() -> None:
    how = AugmentRecipe(rotate=20, scale=0.2, shift=0.05, shear=0.1)
    pictures = np.zeros((40, 64, 64), np.uint8)
    spots = np.random.default_rng(1).integers(20, 44, (40, 2))
    for picture, (x, y) in zip(pictures, spots, strict=True):
        picture[y - 1 : y + 2, x - 1 : x + 2] = 255
    points = ((spots + 0.5) / 64).astype(np.float32)[:, None]
    torch.manual_seed(5)
    x, moved, mirrored = augment_moving(torch.from_numpy(pictures), points, 64, how)
    torch.manual_seed(5)
    assert torch.equal(x, augment(torch.from_numpy(pictures), 64, how))
    levels = x[:, 0].numpy()
    rows, columns = np.indices((64, 64)) + 0.5
    total = levels.sum((1, 2))
    middle = np.stack([(levels * columns).sum((1, 2)) / total, (levels * rows).sum((1, 2)) / total], 1)
    assert np.abs(middle / 64 - moved[:, 0]).max() < 0.02
    assert 5 < mirrored.sum() < 35


def test_what_is_drawn_over_a_face_hides_its_landmarks_and_no_others(chosen: Recipe, faces: FaceSet) -> None:
    stream = LandmarkedStream(chosen, "landmarked", faces, 1.0, ("scarf",))
    drawn = stream.at(3, 48)
    mouth, eyes = drawn.visible[:, 48:68].mean(), drawn.visible[:, 36:48].mean()
    assert mouth < 0.3 and eyes > 0.7
    bare = LandmarkedStream(chosen, "landmarked", faces, 0.0).at(3, 48)
    assert bare.visible.min() == 1 and torch.equal(bare.indices, drawn.indices)
    again = stream.at(3, 48)
    assert torch.equal(again.grey, drawn.grey) and np.array_equal(again.points, drawn.points)


def test_a_region_that_is_covered_weighs_less_than_half_of_what_it_did() -> None:
    torch.manual_seed(0)
    branch = RegionBranch(12, 16)
    middle, masks = torch.randn(5, 12, 6, 6), torch.rand(5, 6, 6, 6)
    masks = masks / masks.amax((2, 3), keepdim=True)
    seen, _ = branch.weights(middle, masks)
    hidden = masks.clone()
    hidden[:, 5] *= 0.02
    covered, _ = branch.weights(middle, hidden)
    torch.testing.assert_close(covered.sum(1), torch.ones(5))
    assert (covered[:, 5] < 0.5 * seen[:, 5]).all() and (covered[:, :5] > seen[:, :5]).all()


def test_the_truth_ones_and_shuffled_masks_are_told_apart(chosen: Recipe, faces: FaceSet) -> None:
    def told(kind: Any, forgotten: float = 0.0, worn: float = 1.0) -> torch.Tensor:
        how = replace(chosen, system=replace(chosen.system, masks=kind, forgotten=forgotten, worn=worn))
        system = MapNet(how)
        return system.regions(system.stream("landmarked", faces).at(2, 48))  # type: ignore[arg-type]

    true = told("true")
    assert torch.equal(told("shuffled"), true.roll(1, 0))
    assert (told("ones") == 1).all() and true.shape[1] == len(PARTS)
    assert (told("true", 1.0) == 0).all()
    # The person's right is where x is small, mirrored or not.
    columns = told("true", worn=0.0)[:, :4].sum(2).argmax(2)
    assert (columns[:, 0] < columns[:, 1]).all() and (columns[:, 2] < columns[:, 3]).all()


def test_faces_with_landmarks_teach_with_their_prior_apart_where_the_recipe_wants_that(
    faces: FaceSet, tmp_path: Path
) -> None:
    apart = recipe.parse(TEXT.replace("[data]", "[data]\nbalanced = true"), "tiny")
    drawn = MapNet(apart).stream("landmarked", faces).at(1, 48)
    assert isinstance(drawn, Landmarked)
    own = np.log(np.bincount(faces.labels, minlength=7) / len(faces))
    np.testing.assert_allclose(drawn.lessons.log_priors[0], np.maximum(own, np.log(1e-3)), rtol=1e-5)
    hard = drawn.target[:, :7].argmax(1)
    assert torch.equal(hard, torch.from_numpy(faces.labels)[drawn.indices])
    done = loop.fit(
        apart, make.face_set(16, 1), make.face_set(14, 2), tmp_path, threads=1, streams={"landmarked": faces}
    )
    assert done.finished
    with pytest.raises(RecipeInvalid, match=r"learns from teachers only with data\.balanced"):
        MapNet(recipe.parse(TEXT.replace("[train]", "[train]\ndistill_weight = 0.5"), "tiny"))


def test_faces_without_landmarks_and_blends_of_faces_are_refused(chosen: Recipe, faces: FaceSet) -> None:
    system = MapNet(chosen)
    with pytest.raises(DataInvalid, match=r"'map_net'\) needs the landmarks of every face, and made-1"):
        streams_of(chosen, system.streams, {"landmarked": make.face_set(30, 1)}, system.stream)
    with pytest.raises(RecipeInvalid, match=r"leave out augment\.mixup, augment\.cutmix and train\.sizes"):
        MapNet(recipe.parse(TEXT.replace("erase = 0.3", "erase = 0.3\nmixup = 0.2"), "tiny"))
