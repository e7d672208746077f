"""Motions as points on a sphere, and what makes them: always on it, of the class that was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="motions are made with torch")

from edge.errors import DataInvalid  # noqa: E402
from faces.crop_rule import crop_rule_of  # noqa: E402
from train.generators import sphere as gan  # noqa: E402
from train.synth import sphere  # noqa: E402

SHARED = Path(__file__).parents[4] / "shared"
ICT = SHARED / "data" / "ict_face.npz"


def curves(count: int, seed: int = 1) -> np.ndarray:  # type: ignore[type-arg]
    """Curves [N, 8, 3, 2] of two kinds in turn: to the right, and down; each with a timing and a noise."""
    rng = np.random.default_rng(seed)
    way = np.array([[1.0, 0.0], [0.0, 1.0]])[np.arange(count) % 2]
    steps = rng.uniform(0.5, 1.5, (count, 7, 1, 1)) * way[:, None, None] + rng.normal(
        0, 0.1, (count, 7, 3, 2)
    )
    first = rng.normal(0, 1, (count, 1, 3, 2))
    return np.concatenate([first, first + steps.cumsum(1)], 1)


def test_a_curve_comes_back_from_the_sphere() -> None:
    paths = curves(12)
    points, lengths = sphere.to_sphere(paths)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(sphere.from_sphere(points, lengths, paths[:, 0]), paths, atol=1e-9)


def test_where_a_curve_began_and_how_far_it_went_are_not_on_the_sphere() -> None:
    paths = curves(5)
    points, lengths = sphere.to_sphere(paths)
    others, far = sphere.to_sphere(7 + 3 * paths)
    np.testing.assert_allclose(points, others, atol=1e-9)
    np.testing.assert_allclose(3 * lengths, far)


def test_a_curve_that_stands_still_is_a_point_too() -> None:
    points, lengths = sphere.to_sphere(np.ones((2, 8, 3, 2)))
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    assert lengths.tolist() == [0, 0]


def test_exponential_and_logarithm_undo_each_other() -> None:
    points = sphere.to_sphere(curves(10))[0]
    at = sphere.mean(points)
    tangents = sphere.log(at, points)
    np.testing.assert_allclose(tangents @ at, 0, atol=1e-9)
    np.testing.assert_allclose(sphere.exp(at, tangents), points, atol=1e-9)
    np.testing.assert_allclose(tangents.mean(0), 0, atol=1e-6)
    angles = np.arccos(np.clip(points @ at, -1, 1))
    np.testing.assert_allclose(np.linalg.norm(tangents, axis=1), angles, atol=1e-9)


def test_what_is_made_lies_on_the_sphere_whatever_was_learnt() -> None:
    points = sphere.to_sphere(curves(40))[0]
    labels = np.arange(40) % 2
    fresh = gan.fit(points, labels, 2, steps=1)
    made = fresh(np.arange(30) % 2, seed=3)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(made, gan.fit(points, labels, 2, steps=1)(np.arange(30) % 2, seed=3))
    flat = gan.fit(points, labels, 2, steps=1, space="flat")(np.arange(30) % 2, seed=3)
    assert np.abs(np.linalg.norm(flat, axis=1) - 1).max() > 1e-3


def test_what_is_made_is_of_the_class_that_was_asked_for_and_is_not_all_alike() -> None:
    points = sphere.to_sphere(curves(200))[0]
    labels = np.arange(200) % 2
    wanted = np.arange(60) % 2
    made = gan.fit(points, labels, 2, steps=250)(wanted, seed=3)
    middles = np.stack([sphere.mean(points[labels == index]) for index in (0, 1)])
    assert ((made @ middles.T).argmax(1) == wanted).mean() > 0.9
    for index in (0, 1):
        share = sphere.spread(made[wanted == index]) / sphere.spread(points[labels == index])
        assert 0.1 < share < 2


def test_too_few_motions_are_refused() -> None:
    with pytest.raises(DataInvalid, match="3 motions are too few of 2 classes: give two of each or more"):
        gan.fit(sphere.to_sphere(curves(3))[0], np.array([0, 1, 0]), 2)


@pytest.mark.skipif(not ICT.exists(), reason="needs ../shared/data/ict_face.npz")
def test_landmarks_move_without_a_picture_as_they_do_with_one() -> None:
    from train.synth import motions, skin
    from train.synth.clips import SECONDS, fitting_motion
    from train.synth.dataset import cut
    from train.synth.families import load_heads
    from train.synth.motion import film, times
    from train.synth.render import Light

    heads, rule = load_heads(ICT), crop_rule_of("fer2013")
    made = motions.make(heads, [3], rule)
    assert len(made) == 7 and made.paths.shape[1:] == (16, 68, 2) and made.classes[made.labels[6]]
    rng = np.random.default_rng([14, 3, 3])
    motion = fitting_motion(made.classes[3], float(rng.uniform(0.25, 1)), rng)
    when, head = times(SECONDS, 12.5)[[0, 15]], heads.head(3)
    who = skin.draw_complexion(np.random.default_rng(1))
    taken = film(head, skin.paint(head), who, motion, when, light=Light(), size=96)
    for frame, rendered in zip((0, 15), taken, strict=True):
        marks = cut(rendered, rule, 48)[1]
        np.testing.assert_allclose(made.paths[3, frame] * 48, marks, atol=0.5)
