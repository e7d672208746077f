"""Steps before the network: each does to a picture what it is called, and a bundle's are really taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import bundle as bundles
from edge.bundle_files.sections import InputSpec
from edge.classify import to_input
from edge.errors import BundleInvalid
from edge.prepare import prepare

DRAW = np.random.default_rng(4)
FACE = np.clip(DRAW.normal(120, 40, (48, 48)) + np.linspace(-40, 40, 48), 0, 255).astype(np.uint8)
DARK = (FACE * 0.25).astype(np.uint8)
STEPS = ("equalise", "clahe", "gamma", "local")


@pytest.mark.parametrize("step", STEPS)
def test_a_step_keeps_size_and_kind_gives_the_same_twice_and_brings_dark_and_bright_together(
    step: str,
) -> None:
    before = FACE.copy()
    once, again = prepare(FACE, [step]), prepare(FACE, [step])
    assert once.dtype == np.uint8 and once.shape == FACE.shape
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(FACE, before)
    apart = np.abs(FACE.astype(float) - DARK).mean()
    # CLAHE limits how far contrast rises, and so closes only a part of the gap.
    share = 0.9 if step == "clahe" else 0.6
    assert np.abs(once.astype(float) - prepare(DARK, [step])).mean() < share * apart
    assert prepare(DARK, [step]).std() > 1.2 * DARK.std()


def test_equalised_levels_are_even_and_gamma_brings_the_mean_to_the_middle() -> None:
    counts, _ = np.histogram(prepare(DARK, ["equalise"]), 4, (0, 256))
    assert counts.min() > 0.8 * counts.max()
    assert 115 < prepare((FACE * 0.4).astype(np.uint8), ["gamma"]).mean() < 140
    # Further than a power of 0.4 a face is not brightened: noise would be.
    assert 70 < prepare(DARK, ["gamma"]).mean() < 115


def test_local_normalisation_takes_light_from_one_side_away() -> None:
    slope = np.linspace(-60, 60, 48)
    lit = np.clip(FACE * 0.5 + 64 + slope, 0, 255).astype(np.uint8)
    given = prepare(lit, ["local"])

    def slant(face: np.ndarray, start: int) -> float:
        right = face[:, 48 - start - 12 : 48 - start].mean()
        return float(abs(face[:, start : start + 12].mean() - right))

    # At the border the mean around a pixel is one-sided, so some of the slope stays there.
    assert slant(given, 0) < slant(lit, 0) / 3
    assert slant(given, 8) < slant(lit, 8) / 6
    flat = np.full((48, 48), 90, np.uint8)
    assert (prepare(flat, ["local"]) == 127).all()


def test_steps_are_taken_in_their_order() -> None:
    one, other = prepare(FACE, ["gamma", "local"]), prepare(FACE, ["local", "gamma"])
    np.testing.assert_array_equal(one, prepare(prepare(FACE, ["gamma"]), ["local"]))
    assert (one != other).any()


def test_the_networks_input_is_prepared_at_its_own_size() -> None:
    spec = InputSpec(24, "grey", (0.0,), (1.0,), ("equalise",))
    plain = InputSpec(24, "grey", (0.0,), (1.0,))
    given, sized = to_input([FACE], spec)[0, 0], to_input([FACE], plain)[0, 0].astype(np.uint8)
    np.testing.assert_array_equal(given, prepare(sized, ["equalise"]))


def test_a_bundle_says_its_steps_and_wrong_ones_are_refused(make_bundle: Callable[..., Path]) -> None:
    def set_steps(steps: list[str], colour: str = "grey") -> Callable[[dict[str, Any]], None]:
        def change(table: dict[str, Any]) -> None:
            size = 1 if colour == "grey" else 3
            how = {"size": 8, "colour": colour, "mean": [128] * size, "std": [64] * size, "prepare": steps}
            table.update(schema=2, input=how)

        return change

    loaded = bundles.load(make_bundle(set_steps(["clahe", "gamma"])))
    assert loaded.input.prepare == ("clahe", "gamma") and loaded.schema == 2
    with pytest.raises(BundleInvalid, match="'prepare'.*'sharpen'.*must be equalise, clahe, gamma, local"):
        bundles.load(make_bundle(set_steps(["sharpen"]), "wrong"))
    with pytest.raises(BundleInvalid, match="'prepare'.*must be empty for a colour model"):
        bundles.load(make_bundle(set_steps(["clahe"], "bgr"), "colour"))
