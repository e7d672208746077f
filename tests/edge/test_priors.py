"""Priors: evidence times what is expected, by name, from a file, and what is refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import bundle as bundles
from edge import priors
from edge.bundle_files.sections import Scaling
from edge.classify import softmax
from edge.errors import BundleInvalid, UsageError

EVEN = [1 / 7] * 7
CALM = [0.05, 0.05, 0.05, 0.2, 0.05, 0.1, 0.5]
LOGITS = np.random.default_rng(3).normal(0, 2, (20, 7)).astype(np.float32)
Make = Callable[..., Path]


def with_priors(table: dict[str, Any]) -> None:
    table["priors"] = {"balanced": EVEN, "calm": CALM}
    table["prior"] = "calm"
    table["files"]["onnx"]["temperature"] = 2.0


def weights(bundle: bundles.Bundle, prior: priors.Prior = "") -> np.ndarray:
    return softmax(LOGITS, bundle.scaling_of("onnx", prior))


def test_weights_are_evidence_times_prior(make_bundle: Make) -> None:
    bundle = bundles.load(make_bundle(with_priors))
    evidence = np.exp(LOGITS / 2.0)
    np.testing.assert_allclose(
        weights(bundle, "balanced"), evidence / evidence.sum(1, keepdims=True), rtol=1e-5
    )
    expected = evidence * CALM
    np.testing.assert_allclose(weights(bundle), expected / expected.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(weights(bundle), weights(bundle, "calm"))


def test_a_prior_that_the_network_learnt_is_divided_out(make_bundle: Make) -> None:
    def learnt(table: dict[str, Any]) -> None:
        with_priors(table)
        table["learnt_prior"] = CALM

    bundle = bundles.load(make_bundle(learnt))
    evidence = np.exp((LOGITS - np.log(CALM)) / 2.0)
    np.testing.assert_allclose(
        weights(bundle, "balanced"), evidence / evidence.sum(1, keepdims=True), rtol=1e-5
    )
    with_learnt = evidence * CALM
    np.testing.assert_allclose(weights(bundle), with_learnt / with_learnt.sum(1, keepdims=True), rtol=1e-5)


def test_a_file_and_a_mapping_say_the_same_and_need_not_sum_to_one(make_bundle: Make, tmp_path: Path) -> None:
    bundle = bundles.load(make_bundle(with_priors))
    mine = dict(zip(bundle.labels, (10 * share for share in CALM), strict=True))
    file = tmp_path / "mine.json"
    file.write_text("\ufeff" + json.dumps(mine), encoding="utf-8")
    np.testing.assert_allclose(weights(bundle, mine), weights(bundle), rtol=1e-9)
    np.testing.assert_allclose(weights(bundle, str(file)), weights(bundle), rtol=1e-9)


def test_an_expression_called_impossible_is_never_read(make_bundle: Make) -> None:
    bundle = bundles.load(make_bundle(with_priors))
    mine = dict.fromkeys(bundle.labels, 1.0) | {bundle.labels[0]: 0.0}
    assert (weights(bundle, mine)[:, 0] < 1e-4).all()
    assert np.isfinite(weights(bundle, mine)).all()


LABELS = ("anger", "joy")
BAD: dict[str, tuple[Any, str]] = {
    "unknown": ({"anger": 1, "joy": 1, "rage": 1}, "has no use for 'rage': the expressions are anger, joy"),
    "missing": ({"anger": 1}, "has no weight for 'joy'"),
    "negative": ({"anger": 1, "joy": -1}, "gives 'joy' -1: a weight is a number from 0 up"),
    "nan": ({"anger": 1, "joy": float("nan")}, "gives 'joy' nan"),
    "infinite": ({"anger": 1, "joy": float("inf")}, "gives 'joy' inf"),
    "word": ({"anger": 1, "joy": "much"}, "gives 'joy' 'much'"),
    "true": ({"anger": 1, "joy": True}, "gives 'joy' True"),
    "all zero": ({"anger": 0, "joy": 0}, "gives every expression 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_prior_that_makes_no_sense_is_refused(case: str) -> None:
    prior, sentence = BAD[case]
    with pytest.raises(UsageError, match=sentence):
        priors.shares(prior, LABELS)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read: No such file"), ("[1]", "must be an object"), ("{", "is not JSON")],
)
def test_a_file_that_is_no_prior_is_refused(content: str | None, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=sentence):
        priors.read(file)


def test_a_name_that_the_bundle_does_not_have_is_refused_with_those_it_has(make_bundle: Make) -> None:
    bundle = bundles.load(make_bundle(with_priors))
    with pytest.raises(UsageError, match=r"has no prior 'mum': give one of balanced, calm, or a \.json file"):
        bundle.scaling_of("onnx", "mum")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("prior", "mum", "'prior' is 'mum', and must be one of balanced, calm"),
        ("priors", {"calm": [0.5, 0.5]}, "'calm' is .*a share per label, 7"),
        ("priors", {"calm": [2, -1, 0, 0, 0, 0, 0]}, "'calm' is .*a share per label, 7"),
        ("learnt_prior", [1.0], "'learnt_prior' is .*a share per label, 7"),
        ("calm", {"neutral": 1.0}, "'calm' is .*a number for every label"),
        ("calm", {"neutral": "much"}, "calm"),
    ],
)
def test_a_bundle_whose_shares_cannot_be_right_does_not_load(
    make_bundle: Make, key: str, value: Any, sentence: str
) -> None:
    def change(table: dict[str, Any]) -> None:
        with_priors(table)
        table[key] = value

    with pytest.raises(BundleInvalid, match=sentence):
        bundles.load(make_bundle(change))


def test_a_bundle_of_before_still_follows_its_annotators(make_bundle: Make) -> None:
    def before(table: dict[str, Any]) -> None:
        table["annotators"] = "crowd"
        table["files"]["onnx"]["scalings"] = {"crowd": {"scale": [2] * 7, "bias": [0] * 6 + [1]}}

    bundle = bundles.load(make_bundle(before))
    assert bundle.scaling_of("onnx") == Scaling((2.0,) * 7, (0.0,) * 6 + (1.0,))
    with pytest.raises(UsageError, match="made before priors were kept apart"):
        bundle.scaling_of("onnx", dict.fromkeys(bundle.labels, 1.0))
