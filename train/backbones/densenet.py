"""DenseNet (Huang et al., CVPR 2017), the small kind: growth 12, three blocks, compression by half."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from train.backbones.layers import activation_named, check_strides, initialise, make_divisible


class DenseLayer(nn.Module):
    """Normalise, activate, squeeze to 4 x growth, and add ``growth`` maps to those that came in."""

    def __init__(self, inputs: int, growth: int, activation: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(inputs),
            activation_named(activation),
            nn.Conv2d(inputs, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            activation_named(activation),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, inputs, H, W]`` to ``[N, inputs + growth, H, W]``."""
        return torch.cat([x, self.layers(x)], 1)


class DenseNet(nn.Module):
    """DenseNet for grey faces; ``width`` multiplies growth and stem."""

    BLOCKS, GROWTH, STEM, COMPRESSION = (4, 4, 4), 12, 24, 0.5
    STRIDES = (2, 2, 2)

    def __init__(
        self,
        classes: int,
        *,
        width: float = 1.0,
        strides: Sequence[int] = (),
        dropout: float = 0.2,
        activation: str = "",
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        stem, *steps = check_strides("densenet", strides, self.STRIDES)
        activation = activation or "relu"
        growth = max(2, round(self.GROWTH * width))
        channels = make_divisible(self.STEM * width)
        features: list[nn.Module] = [nn.Conv2d(1, channels, 3, stem, 1, bias=False)]
        for number, layers in enumerate(self.BLOCKS):
            block = [DenseLayer(channels + growth * k, growth, activation) for k in range(layers)]
            channels += growth * layers
            features.append(nn.Sequential(*block))
            if number < len(steps):
                narrow = max(4, int(channels * self.COMPRESSION))
                features.append(_transition(channels, narrow, steps[number], activation))
                channels = narrow
        features.append(nn.Sequential(nn.BatchNorm2d(channels), activation_named(activation)))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, classes))
        self.apply(initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float ``[N, 1, S, S]`` to logits ``[N, classes]``."""
        logits: torch.Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def _transition(inputs: int, outputs: int, stride: int, activation: str) -> nn.Sequential:
    pool = [nn.AvgPool2d(2)] if stride == 2 else []
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        activation_named(activation),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        *pool,
    )
