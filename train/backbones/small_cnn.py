"""Four convolutions of 3 x 3, each followed by batch normalisation, ReLU and a halving."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from train.backbones.layers import check_strides, conv_bn_act, initialise, make_divisible


class SmallCnn(nn.Module):
    """A plain convolutional network for grey faces, 0.24 million weights at width 1."""

    WIDTHS = (32, 64, 128, 128)
    STRIDES = (2, 2, 2, 2)

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
        channels, features = 1, []
        for base, stride in zip(self.WIDTHS, check_strides("small_cnn", strides, self.STRIDES), strict=True):
            outputs = make_divisible(base * width)
            layers = [conv_bn_act(channels, outputs, activation=activation or "relu")]
            features.append(nn.Sequential(*layers, *([nn.MaxPool2d(2)] if stride == 2 else [])))
            channels = outputs
        self.features = nn.Sequential(*features, nn.Identity())
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, classes))
        self.apply(initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float ``[N, 1, S, S]`` to logits ``[N, classes]``."""
        logits: torch.Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits
