from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train import backbones
from train.optimise import learning_rate, make_optimizer, momentum
from train.recipe import ModelRecipe, TrainRecipe

HOW = TrainRecipe(epochs=10, lr=0.1, warmup_epochs=2.0)
PER_EPOCH, TOTAL = 50, 500


def test_cosine_rises_evenly_then_falls_to_nothing() -> None:
    rates = [learning_rate(HOW, step, PER_EPOCH, TOTAL) for step in range(TOTAL)]
    assert rates[0] == pytest.approx(0.1 / 100)
    assert rates[49] == pytest.approx(0.05)
    assert rates[100] == pytest.approx(0.1)
    assert rates[300] == pytest.approx(0.05)
    assert rates[-1] < 1e-5
    assert rates[:100] == sorted(rates[:100])
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_one_cycle_peaks_at_thirty_percent_where_momentum_is_lowest() -> None:
    how = replace(HOW, schedule="one-cycle")
    rates = [learning_rate(how, step, PER_EPOCH, TOTAL) for step in range(TOTAL + 1)]
    assert rates[0] == pytest.approx(0.1 / 25)
    assert rates.index(max(rates)) == 150
    assert max(rates) == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(1e-5)
    momenta = [momentum(how, step, TOTAL) for step in range(TOTAL + 1)]
    assert momenta.index(min(momenta)) == 150
    assert (momenta[0], min(momenta), momenta[-1]) == pytest.approx((0.9, 0.8, 0.9))
    assert momentum(HOW, 150, TOTAL) == 0.9


@given(st.sampled_from(["cosine", "one-cycle"]), st.floats(0, 12), st.integers(1, 60), st.integers(1, 30))
def test_the_rate_is_never_over_the_recipes(
    schedule: str, warmup: float, per_epoch: int, epochs: int
) -> None:
    how = replace(HOW, schedule=schedule, warmup_epochs=warmup, epochs=epochs)  # type: ignore[arg-type]
    total = per_epoch * epochs
    for step in range(0, total, max(1, total // 20)):
        assert 0 < learning_rate(how, step, per_epoch, total) <= how.lr * (1 + 1e-9)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_biases_norms_and_depthwise_filters_are_not_decayed(optimizer: str) -> None:
    network = backbones.build(ModelRecipe("mobilenet_v2", 16, width=0.1), 7)
    made = make_optimizer([network], replace(HOW, optimizer=optimizer))  # type: ignore[arg-type]
    decayed, free = made.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (5e-4, 0.0)
    names = {id(each): name for name, each in network.named_parameters()}
    assert {names[id(each)] for each in free["params"]} >= {"features.0.1.bias", "classifier.1.bias"}
    assert "features.1.conv.0.0.weight" in {names[id(each)] for each in free["params"]}
    assert "classifier.1.weight" in {names[id(each)] for each in decayed["params"]}
    assert len(decayed["params"]) + len(free["params"]) == len(names)
