"""What the landmark network is held against: the wing loss for points, cross-entropy for what is seen and
what is covered."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from train.landmarks.change import Batch
from train.landmarks.recipe import LearnRecipe

Answers = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

PIXELS = 256  # the wing loss's pixels are those of a crop of this side, as in its paper


def wing(error: torch.Tensor, width: float, curve: float) -> torch.Tensor:
    """The wing loss of ``error`` in pixels, elementwise (Feng et al., CVPR 2018, equation 5).

    width * ln(1 + |error| / curve) up to ``width``, linear beyond: small errors weigh more than in L1.
    """
    size = error.abs()
    offset = width - width * math.log1p(width / curve)
    return torch.where(size < width, width * torch.log1p(size / curve), size - offset)


def loss(answers: Answers, batch: Batch, recipe: LearnRecipe) -> torch.Tensor:
    """The whole loss: points [N, 68, 2] and logits of what is seen and covered, held against ``batch``."""
    points, seen, covered = (each.float() for each in answers)
    off = wing((points - torch.from_numpy(batch.points)) * PIXELS, recipe.wing, recipe.curve).mean()
    of_points = F.binary_cross_entropy_with_logits(seen, torch.from_numpy(batch.visible))
    of_cells = F.binary_cross_entropy_with_logits(covered, torch.from_numpy(batch.covered))
    return off + recipe.seen_weight * of_points + recipe.cover_weight * of_cells
