"""A slim residual network of up-sampled bottlenecks: 1 x 1 up, 3 x 3, 1 x 1 down, with a shortcut.

The bottleneck is turned inside out (wide within, narrow without), as in the "modified up-sampled bottleneck"
of Alsubai et al. (Frontiers in Computational Neuroscience, 2024), as far as its abstract tells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from train.backbones.layers import DropPath, check_strides, conv_bn_act, initialise, make_divisible


class UpBottleneck(nn.Module):
    """Twice as many maps within as come in."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: str, drop_path: float) -> None:
        super().__init__()
        hidden = 2 * inputs
        self.block = nn.Sequential(
            conv_bn_act(inputs, hidden, 1, activation=activation),
            conv_bn_act(hidden, hidden, 3, stride, activation=activation),
            conv_bn_act(hidden, outputs, 1, activation=""),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv_bn_act(inputs, outputs, 1, stride, activation="")
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, inputs, H, W]`` to ``[N, outputs, H/stride, W/stride]``."""
        kept: torch.Tensor = self.shortcut(x) + self.drop_path(self.block(x))
        return kept


class ResNetSlim(nn.Module):
    """The residual network on any number of input maps: one of grey levels, or those of another stem."""

    STAGES = ((32, 2), (64, 2), (128, 1))  # channels, blocks
    STRIDES = (2, 1, 2, 2)

    def __init__(
        self,
        classes: int,
        *,
        width: float = 1.0,
        strides: Sequence[int] = (),
        dropout: float = 0.2,
        activation: str = "",
        drop_path: float = 0.0,
        stem: nn.Module | None = None,
        stem_channels: int = 16,
    ) -> None:
        super().__init__()
        first, *steps = check_strides("resnet_slim", strides, self.STRIDES)
        activation = activation or "relu"
        features: list[nn.Module] = [stem or conv_bn_act(1, stem_channels, 3, first, activation=activation)]
        channels = stem_channels
        for (base, blocks), stride in zip(self.STAGES, steps, strict=True):
            outputs = make_divisible(base * width)
            for block in range(blocks):
                depth = drop_path * len(features) / sum(count for _, count in self.STAGES)
                step = stride if block == 0 else 1
                features.append(UpBottleneck(channels, outputs, step, activation, depth))
                channels = outputs
        features.append(nn.Identity())
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, classes))
        self.apply(initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float ``[N, 1, S, S]`` to logits ``[N, classes]``."""
        logits: torch.Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits
