from __future__ import annotations

import numpy as np
import pytest

from faces import metrics, scaling


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits float64 [count, 7] whose softmax is the very chance of each label, and labels drawn so."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 2, (count, 7))
    chances = metrics.softmax(honest).cumsum(1)
    return honest, (rng.random(count)[:, None] > chances).sum(1).clip(0, 6)


SCALE = np.array([0.5, 2.0, 1.0, 1.0, 0.8, 1.5, 1.0])
BIAS = np.array([0.5, -1.0, 0.0, 0.0, 0.3, 0.0, 0.2])


def test_the_scale_and_bias_that_spoiled_the_logits_are_found() -> None:
    honest, labels = drawn(20_000, 1)
    found = scaling.fit_vector((honest - BIAS) / SCALE, labels)
    np.testing.assert_allclose(found.scale, SCALE, rtol=0.1)
    np.testing.assert_allclose(found.bias, BIAS - BIAS.mean(), atol=0.1)


def test_no_neighbour_of_the_fit_is_likelier() -> None:
    honest, labels = drawn(3000, 2)
    logits = (honest - BIAS) / SCALE
    found = scaling.fit_vector(logits, labels)
    best = cost(found.scale, found.bias, logits, labels)
    for k in range(7):
        for step in (-0.02, 0.02):
            moved = np.eye(7)[k] * step
            assert cost(np.array(found.scale) + moved, found.bias, logits, labels) > best - 1e-5
            assert cost(found.scale, np.array(found.bias) + moved, logits, labels) > best - 1e-5


def cost(scale: object, bias: object, logits: np.ndarray, labels: np.ndarray) -> float:
    logs = metrics.log_softmax(logits * scale + bias)
    return float(-logs[np.arange(len(labels)), labels].mean())


@pytest.mark.parametrize(("scale", "bias", "method"), [(SCALE, BIAS, "vector"), (0.5, 0.0, "temperature")])
def test_the_simpler_form_is_kept_unless_left_out_faces_prefer_the_other(
    scale: np.ndarray | float, bias: np.ndarray | float, method: str
) -> None:
    honest, labels = drawn(3000, 3)
    fitted = scaling.fit((honest - bias) / scale, labels)
    assert fitted.method == method
    if method == "temperature":
        assert len(set(fitted.scaling.scale)) == 1 and not any(fitted.scaling.bias)
        assert fitted.temperature == pytest.approx(2.0, rel=0.1)
    assert (fitted.held_vector.nll < fitted.held_temperature.nll) == (method == "vector")
    other, truth = drawn(3000, 4)
    scaled = scaling.apply(fitted.scaling, (other - bias) / scale)
    assert metrics.expected_calibration_error(metrics.softmax(scaled), truth) < 0.03


def test_a_label_with_few_faces_keeps_the_temperature() -> None:
    honest, labels = drawn(3000, 3)
    few = np.flatnonzero(labels == 1)[scaling.FEWEST - 1 :]
    kept = np.setdiff1d(np.arange(3000), few)
    fitted = scaling.fit(((honest - BIAS) / SCALE)[kept], labels[kept])
    assert fitted.held_vector.nll < fitted.held_temperature.nll and fitted.method == "temperature"


def test_a_label_that_is_never_there_or_always_told_apart_asks_for_no_endless_scale() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 5, 200)
    found = scaling.fit_vector(np.eye(7)[labels] * 20 + rng.normal(0, 0.1, (200, 7)), labels)
    assert all(0 < value < 100 for value in found.scale) and all(abs(value) < 100 for value in found.bias)
