"""What sets one network against another."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: float) -> torch.Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.weight * gradient, None


def reverse_gradient(x: torch.Tensor, weight: float) -> torch.Tensor:
    """``x`` itself, whose gradient comes back times ``-weight`` (Ganin and Lempitsky, ICML 2015)."""
    reversed_: torch.Tensor = _Reversed.apply(x, weight)
    return reversed_


def ramp(progress: float) -> float:
    """From 0 at the start of a run to nearly 1 at its end: 2 / (1 + exp(-10 p)) - 1 (the same paper)."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


def discriminator(features: int, hidden: int = 64) -> nn.Sequential:
    """Features [N, F] to one logit: which of two domains a face is from."""
    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 1))


def domain_loss(critic: nn.Module, features: torch.Tensor, sources: int, weight: float) -> torch.Tensor:
    """The critic's cross-entropy on ``features`` [N, F], the first ``sources`` of the one domain.

    The critic learns to tell the domains; what made the features learns, ``weight`` times as much, that it
    cannot.
    """
    logits = critic(reverse_gradient(features, weight)).squeeze(1)
    truth = (torch.arange(len(features), device=features.device) >= sources).float()
    return F.binary_cross_entropy_with_logits(logits.float(), truth)


def gradient_penalty(
    critic: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor, made: torch.Tensor
) -> torch.Tensor:
    """How far the critic's slope between ``real`` and ``made`` [N, ...] is from 1, squared (WGAN-GP).

    Gulrajani et al., NeurIPS 2017: at a random place on the line between each two.
    """
    share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    between = (share * real + (1 - share) * made).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.flatten(1).norm(2, 1) - 1) ** 2).mean()
