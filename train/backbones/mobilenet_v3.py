"""MobileNetV3-Small (Howard et al., ICCV 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from train.backbones.layers import (
    DropPath,
    SqueezeExcitation,
    activation_named,
    check_strides,
    conv_bn_act,
    initialise,
    make_divisible,
)


class Bottleneck(nn.Module):
    """Expand, depthwise, squeeze-and-excitation (or none), project, with a shortcut where it fits."""

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        kernel: int,
        stride: int,
        activation: str,
        excite: bool,
        drop_path: float,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if hidden != inputs:
            layers.append(conv_bn_act(inputs, hidden, 1, activation=activation))
        layers.append(conv_bn_act(hidden, hidden, kernel, stride, groups=hidden, activation=activation))
        if excite:
            layers.append(SqueezeExcitation(hidden, make_divisible(hidden / 4), "relu", nn.Hardsigmoid()))
        layers.append(conv_bn_act(hidden, outputs, 1, activation=""))
        self.block = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, inputs, H, W]`` to ``[N, outputs, H/stride, W/stride]``."""
        return x + self.drop_path(self.block(x)) if self.shortcut else self.block(x)


class MobileNetV3Small(nn.Module):
    """MobileNetV3-Small for grey faces."""

    # table 2 of the paper in stages of one resolution and width; a block is (expanded width, kernel,
    # excitation); the first two stages use ReLU, the others hard-swish
    STAGES = (
        (16, ((16, 3, True),)),
        (24, ((72, 3, False), (88, 3, False))),
        (40, ((96, 5, True), (240, 5, True), (240, 5, True))),
        (48, ((120, 5, True), (144, 5, True))),
        (96, ((288, 5, True), (576, 5, True), (576, 5, True))),
    )
    RELU_STAGES = 2
    STRIDES = (2, 2, 2, 2, 1, 2)

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
        strides = check_strides("mobilenet_v3_small", strides, self.STRIDES)
        late = activation or "hardswish"
        blocks = self._blocks(width, strides[1:], activation, drop_path)
        channels = make_divisible(self.STAGES[-1][0] * width)
        last, hidden = 6 * channels, make_divisible(1024 * width)
        self.features = nn.Sequential(
            conv_bn_act(1, make_divisible(16 * width), 3, strides[0], activation=late),
            *blocks,
            conv_bn_act(channels, last, 1, activation=late),
        )
        self.classifier = nn.Sequential(
            nn.Linear(last, hidden), activation_named(late), nn.Dropout(dropout), nn.Linear(hidden, classes)
        )
        self.apply(initialise)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = 1e-3, 0.01

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float ``[N, 1, S, S]`` to logits ``[N, classes]``."""
        return self.classifier(self.features(x).mean((2, 3)))

    def _blocks(
        self, width: float, strides: Sequence[int], activation: str, drop_path: float
    ) -> list[nn.Module]:
        blocks: list[nn.Module] = []
        channels, total = make_divisible(16 * width), sum(len(stage) for _, stage in self.STAGES)
        for number, ((base, stage), stride) in enumerate(zip(self.STAGES, strides, strict=True)):
            usual = "relu" if number < self.RELU_STAGES else "hardswish"
            for index, (expanded, kernel, excite) in enumerate(stage):
                blocks.append(
                    Bottleneck(
                        channels,
                        make_divisible(expanded * width),
                        make_divisible(base * width),
                        kernel=kernel,
                        stride=stride if index == 0 else 1,
                        activation=activation or usual,
                        excite=excite,
                        drop_path=drop_path * len(blocks) / total,
                    )
                )
                channels = make_divisible(base * width)
        return blocks
