"""A temperature under a prior: what spoiled the logits is found, and priors are counted from labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import Bundle
from edge.bundle_files.sections import CropRule, DoubtRule, InputSpec
from faces import metrics, scaling
from faces.labels import EXPRESSIONS
from tests.train import make

PRIOR = (0.1, 0.02, 0.08, 0.3, 0.1, 0.1, 0.3)


def drawn(count: int, seed: int, prior: tuple[float, ...] = PRIOR) -> tuple[np.ndarray, np.ndarray]:
    """Evidence float64 [count, 7], and labels drawn from evidence times ``prior``."""
    rng = np.random.default_rng(seed)
    evidence = rng.normal(0, 2, (count, 7))
    chances = metrics.softmax(evidence + np.log(prior)).cumsum(1)
    return evidence, (rng.random(count)[:, None] > chances).sum(1).clip(0, 6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_temperature_that_spoiled_the_evidence_is_found_under_the_prior(temperature: float) -> None:
    evidence, labels = drawn(4000, 1)
    fitted = scaling.fit(evidence * temperature, labels, PRIOR)
    assert fitted.temperature == pytest.approx(temperature, rel=0.06)
    other, truth = drawn(4000, 2)
    weights = metrics.softmax(scaling.apply(fitted.scaling, other * temperature))
    assert metrics.expected_calibration_error(weights, truth) < 0.03
    assert fitted.held.ece < 0.03 and 0 < fitted.held.accuracy < 1


def test_a_learnt_prior_is_taken_out_before_the_temperature() -> None:
    evidence, labels = drawn(4000, 3)
    learnt = (0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2)
    fitted = scaling.fit(evidence * 1.5 + np.log(learnt), labels, PRIOR, learnt)
    assert fitted.temperature == pytest.approx(1.5, rel=0.06)
    plain = scaling.fit(evidence * 1.5, labels, PRIOR)
    assert fitted.held.nll == pytest.approx(plain.held.nll, rel=1e-3)


def test_no_face_of_an_expression_is_rare_and_not_impossible() -> None:
    faces = replace(make.face_set(30, 1), labels=np.full(30, 3, np.int64))
    shares = scaling.label_priors(faces)["fer2013"]
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert shares[3] == pytest.approx(31 / 37, rel=1e-4) and shares[0] == pytest.approx(1 / 37, rel=1e-4)


def test_the_measured_priors_are_whole_and_the_default_is_among_them() -> None:
    chosen, named = scaling.measured_priors(EXPRESSIONS)
    assert chosen in named and {"balanced", "natural"} <= set(named)
    assert all(len(shares) == 7 and sum(shares) == pytest.approx(1) for shares in named.values())
    turned = scaling.measured_priors(EXPRESSIONS[::-1])[1]
    assert turned["natural"] == named["natural"][::-1]


def test_annotators_who_are_less_sure_get_a_temperature_of_their_own_by_one_factor() -> None:
    evidence, labels = drawn(6000, 4)
    noisy = labels.copy()
    noisy[::3] = np.random.default_rng(5).integers(0, 7, len(noisy[::3]))
    faces = replace(make.face_set(6000, 1), name="fer2013-public", labels=noisy, majority=labels)
    about = Bundle(
        Path("out"),
        "tiny",
        "",
        EXPRESSIONS,
        InputSpec(48, "grey", (127.0,), (64.0,)),
        CropRule(((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.75), (0.65, 0.75)), 1.0, (0.0, 0.0)),
        1.0,
        DoubtRule(),
        {},
    )
    told = scaling.expecting(about, evidence, faces, faces, evidence=True)
    assert told.learnt_prior == () and set(told.sharpness) == {"fer2013"} and told.sharpness["fer2013"] < 0.9
    fitted = scaling.fit_engine(told, evidence, faces)
    assert fitted["ferplus"].temperature == pytest.approx(1.0, rel=0.1)
    sure, less_sure = (
        metrics.expected_calibration_error(
            metrics.softmax(scaling.apply(fitted[who].scaling, evidence)), noisy
        )
        for who in ("ferplus", "fer2013")
    )
    assert less_sure < 0.6 * sure
