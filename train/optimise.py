"""How fast the weights move at each step, and which of them are pulled towards zero."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from train.recipe import TrainRecipe

RISE = 0.3  # share of a one-cycle run in which the rate rises
START, END = 25, 1e4  # what the highest rate is divided by at a one-cycle run's start and end
SHARE = "share"
SWING = 0.1  # how far one-cycle lowers the momentum while the rate is high


def learning_rate(how: TrainRecipe, step: int, per_epoch: int, total: int) -> float:
    """The rate at ``step`` of ``total``.

    cosine: a linear warm-up over ``warmup_epochs``, then a half cosine from ``lr`` to 0. one-cycle (Smith
    and Topin, 2018): half cosines from ``lr`` / 25 up to ``lr`` at 30 % of the run, down to ``lr`` / 10000.
    """
    if how.schedule == "one-cycle":
        return _between(how.lr / START, how.lr / END, how.lr, step / total)
    warmup = how.warmup_epochs * per_epoch
    if step < warmup:
        return how.lr * min(1.0, (step + 1) / warmup)
    return how.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def momentum(how: TrainRecipe, step: int, total: int) -> float:
    """SGD's momentum at ``step``: one-cycle lowers it by 0.1 where the rate is highest."""
    if how.schedule == "cosine":
        return how.momentum
    return _between(how.momentum, how.momentum, max(0.0, how.momentum - SWING), step / total)


def _between(start: float, end: float, peak: float, done: float) -> float:
    """Half a cosine from ``start`` to ``peak`` at 30 % of the way, and another to ``end``."""
    if done < RISE:
        return start + (peak - start) * 0.5 * (1 - math.cos(math.pi * done / RISE))
    return end + (peak - end) * 0.5 * (1 + math.cos(math.pi * (done - RISE) / (1 - RISE)))


def make_optimizer(
    modules: Sequence[nn.Module], how: TrainRecipe, started: nn.Module | None = None
) -> torch.optim.Optimizer:
    """Biases, normalisation and depthwise filters are not decayed: they have too few weights to overfit.

    Those of ``started`` move at ``how.start_rate`` of the rate: SHARE in a group is what it is multiplied by.
    """
    slow = {id(each) for each in started.parameters()} if started and how.start_rate != 1 else set()
    groups: dict[tuple[bool, bool], list[torch.Tensor]] = {(False, True): [], (False, False): []}
    for parameter in (each for module in modules for each in module.parameters()):
        decays = parameter.ndim > 1 and parameter.shape[1] > 1
        groups.setdefault((id(parameter) in slow, decays), []).append(parameter)
    made = [
        {
            "params": parameters,
            "weight_decay": how.weight_decay if decays else 0.0,
            SHARE: how.start_rate if is_slow else 1.0,
        }
        for (is_slow, decays), parameters in groups.items()
    ]
    if how.optimizer == "sgd":
        return torch.optim.SGD(made, how.lr, momentum=how.momentum, nesterov=how.momentum > 0)
    return torch.optim.AdamW(made, how.lr)


def follow(average: nn.Module, network: nn.Module, ema: float, step: int) -> None:
    """Move the averaged weights towards the present ones after ``step``, keeping ``ema`` of them, 0-1.

    Early on the average follows closely: an average of the random start helps nobody.
    """
    decay = min(ema, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, now in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)
