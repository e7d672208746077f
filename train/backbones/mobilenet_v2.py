"""MobileNetV2 (Sandler et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from train.backbones.layers import DropPath, check_strides, conv_bn_act, initialise, make_divisible


class InvertedResidual(nn.Module):
    """Expand, depthwise, project, with a shortcut where the shape allows it."""

    def __init__(
        self, inputs: int, outputs: int, *, stride: int, expand: int, activation: str, drop_path: float
    ) -> None:
        super().__init__()
        hidden = inputs * expand
        layers: list[nn.Module] = []
        if expand != 1:
            layers.append(conv_bn_act(inputs, hidden, kernel=1, activation=activation))
        layers += [
            conv_bn_act(hidden, hidden, stride=stride, groups=hidden, activation=activation),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, inputs, H, W]`` to ``[N, outputs, H/stride, W/stride]``."""
        return x + self.drop_path(self.conv(x)) if self.shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 for grey faces."""

    # expansion, channels, repeats: table 2 of the paper
    STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
    STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)

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
        strides = check_strides("mobilenet_v2", strides, self.STRIDES)
        activation = activation or "relu6"
        channels = make_divisible(32 * width)
        features: list[nn.Module] = [conv_bn_act(1, channels, stride=strides[0], activation=activation)]
        blocks = sum(repeats for _, _, repeats in self.STAGES)
        for (expand, base, repeats), stride in zip(self.STAGES, strides[1:], strict=True):
            outputs = make_divisible(base * width)
            for index in range(repeats):
                depth = drop_path * (len(features) - 1) / blocks
                step = stride if index == 0 else 1
                features.append(
                    InvertedResidual(
                        channels,
                        outputs,
                        stride=step,
                        expand=expand,
                        activation=activation,
                        drop_path=depth,
                    )
                )
                channels = outputs
        last = make_divisible(1280 * max(1.0, width))
        features.append(conv_bn_act(channels, last, kernel=1, activation=activation))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))
        self.apply(initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float ``[N, 1, S, S]`` to logits ``[N, classes]``."""
        return self.classifier(self.features(x).mean((2, 3)))
