"""The voice network: filters of three shapes on log-mel, convolutions, attention over channels and places.

Wide filters follow a pitch over time, tall ones see the formants of a moment, square ones both. The
attention is global channel-spatial attention (Yu et al., ABAW 2025): a gate for each channel, channels
shuffled across groups, a gate for each channel and place.
"""

from __future__ import annotations

import torch
from torch import nn

from train.backbones.layers import initialise
from train.heads.attention import ChannelGate
from train.voice.recipe import NetworkRecipe

GROUPS = 4
SHAPES = ((3, 3), (1, 5), (5, 1))  # bands x frames


class Shuffle(nn.Module):
    """Channels dealt out over the groups, so that the next grouped filter sees some of each.

    A fixed 1 x 1 convolution: every engine has that in int8, where it is exact.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        order = torch.arange(channels).view(groups, -1).t().reshape(-1)
        self.register_buffer("weight", torch.eye(channels)[order][:, :, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, C, H, W]`` to the same shape."""
        shuffled: torch.Tensor = nn.functional.conv2d(x, self.weight)
        return shuffled


class GlobalChannelSpatialAttention(nn.Module):
    """Weighs channels by the mean over all places, then each place of each channel by what is around it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel, self.shuffle = ChannelGate(channels), Shuffle(channels, GROUPS)
        squeezed = channels // GROUPS
        self.squeeze = nn.Conv2d(channels, squeezed, 3, padding=1, groups=GROUPS, bias=False)
        self.norm, self.activation = nn.BatchNorm2d(squeezed), nn.ReLU()
        self.spread, self.gate = nn.Conv2d(squeezed, channels, 3, padding=1), nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, C, H, W]`` to the same shape."""
        x = self.shuffle(self.channel(x))
        kept: torch.Tensor = x * self.gate(self.spread(self.activation(self.norm(self.squeeze(x)))))
        return kept


class VoiceNetwork(nn.Module):
    """Float32 [N, 1, 40, 96], standardised, to logits [N, labels]."""

    def __init__(self, recipe: NetworkRecipe, labels: int) -> None:
        super().__init__()
        first, second, third = recipe.channels
        self.branches = nn.ModuleList(_filters(1, recipe.branch, shape, stride=2) for shape in SHAPES)
        self.below = nn.Sequential(
            _filters(len(SHAPES) * recipe.branch, first, (3, 3), stride=2), _filters(first, second, (3, 3), 1)
        )
        self.attention = GlobalChannelSpatialAttention(second) if recipe.attention else nn.Identity()
        self.above = _filters(second, third, (3, 3), stride=2)
        self.features = nn.Sequential(nn.Linear(third, recipe.features), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(recipe.dropout), nn.Linear(recipe.features, labels))
        for part in (self.branches, self.below, self.attention, self.above, self.features, self.head):
            part.apply(initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of ``x``."""
        heard = [branch(x) for branch in self.branches]
        joined = torch.cat(heard, 1) if len(heard) > 1 else heard[0]
        maps = self.above(self.attention(self.below(joined)))
        logits: torch.Tensor = self.head(self.features(maps.mean((2, 3))))
        return logits


def _filters(channels: int, out: int, shape: tuple[int, int], stride: int) -> nn.Sequential:
    padding = shape[0] // 2, shape[1] // 2
    conv = nn.Conv2d(channels, out, shape, stride=stride, padding=padding, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU())
