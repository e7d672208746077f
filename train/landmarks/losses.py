"""What the landmark network is held against: the wing loss for points, cross-entropy for what is seen."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from train.landmarks.recipe import LearnRecipe

PIXELS = 256  # the wing loss's pixels are those of a crop of this side, as in its paper


def wing(error: torch.Tensor, width: float, curve: float) -> torch.Tensor:
    """The wing loss of ``error`` in pixels, elementwise (Feng et al., CVPR 2018, equation 5).

    width * ln(1 + |error| / curve) up to ``width``, linear beyond: small errors weigh more than in L1.
    """
    size = error.abs()
    offset = width - width * math.log1p(width / curve)
    return torch.where(size < width, width * torch.log1p(size / curve), size - offset)


def loss(
    points: torch.Tensor,
    logits: torch.Tensor,
    wanted: torch.Tensor,
    visible: torch.Tensor,
    recipe: LearnRecipe,
) -> torch.Tensor:
    """The whole loss: ``points`` [N, 68, 2] against ``wanted``, shares of the crop; ``logits`` [N, 68]."""
    off = wing((points - wanted) * PIXELS, recipe.wing, recipe.curve).mean()
    seen = F.binary_cross_entropy_with_logits(logits, visible)
    return off + recipe.seen_weight * seen
