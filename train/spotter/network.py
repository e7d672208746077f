"""The spotter network: a small temporal convolutional network over the moments of one face.

A convolution over all rows of a moment and its neighbours, then ever wider ones along time alone (Bai et al.,
"An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling", 2018). None
pads: what it says of a moment stands on what was measured, whichever part of the window the moment is in.
"""

from __future__ import annotations

import torch
from torch import nn

from edge.moments.decode import OUTPUTS
from edge.moments.history import ROWS
from train.backbones.layers import initialise
from train.spotter.recipe import NetworkRecipe


class SpotterNetwork(nn.Module):
    """Float32 [N, 1, ROWS, window], standardised, to logits [N, outputs * told], outputs first."""

    def __init__(self, recipe: NetworkRecipe) -> None:
        super().__init__()
        wide, many = recipe.kernel, recipe.channels
        first = _filters(1, many, (ROWS, wide), recipe.dilations[0])
        rest = [_filters(many, many, (1, wide), dilation) for dilation in recipe.dilations[1:]]
        self.layers = nn.Sequential(first, *rest)
        self.head = nn.Conv2d(many, len(OUTPUTS), 1)
        self.apply(initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of ``x``."""
        logits: torch.Tensor = self.head(self.layers(x)).flatten(1)
        return logits


def _filters(channels: int, out: int, shape: tuple[int, int], dilation: int) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, shape, dilation=(1, dilation), bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU())
