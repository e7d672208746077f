"""How fast the weights move at each step, and which of them are pulled towards zero."""

from __future__ import annotations

import math

import torch
from torch import nn

from train.recipe import TrainRecipe


def learning_rate(how: TrainRecipe, step: int, per_epoch: int, total: int) -> float:
    """Linear warm-up over ``warmup_epochs``, then a half cosine from ``lr`` to 0 at step ``total``."""
    warmup = how.warmup_epochs * per_epoch
    if step < warmup:
        return how.lr * (step + 1) / warmup
    return how.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def make_optimizer(model: nn.Module, how: TrainRecipe) -> torch.optim.Optimizer:
    """Biases, normalisation and depthwise filters are not decayed: they have too few weights to overfit."""
    decayed: list[torch.Tensor] = []
    free: list[torch.Tensor] = []
    for parameter in model.parameters():
        (decayed if parameter.ndim > 1 and parameter.shape[1] > 1 else free).append(parameter)
    groups = [{"params": decayed, "weight_decay": how.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if how.optimizer == "sgd":
        return torch.optim.SGD(groups, how.lr, momentum=how.momentum, nesterov=how.momentum > 0)
    return torch.optim.AdamW(groups, how.lr)
