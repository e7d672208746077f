"""EfficientNet-B0 (Tan and Le, ICML 2019) and Lite0 and Lite2, variants made to be quantized.

The Lite ones (R. Liu, TensorFlow blog, March 2020) have no squeeze-and-excitation and ReLU6 in place of SiLU:
both of what they leave out has ranges that 8 bits serve badly. Lite2 is Lite0 made wider and deeper; it
is here to teach.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from train.backbones.layers import (
    DropPath,
    SqueezeExcitation,
    check_strides,
    conv_bn_act,
    initialise,
    make_divisible,
)


class MBConv(nn.Module):
    """Expand, depthwise, squeeze-and-excitation (or none), project, with a shortcut where it fits."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        expand: int,
        kernel: int,
        stride: int,
        activation: str,
        excite: bool,
        drop_path: float,
    ) -> None:
        super().__init__()
        hidden = inputs * expand
        layers: list[nn.Module] = []
        if expand != 1:
            layers.append(conv_bn_act(inputs, hidden, 1, activation=activation))
        layers.append(conv_bn_act(hidden, hidden, kernel, stride, groups=hidden, activation=activation))
        if excite:
            layers.append(SqueezeExcitation(hidden, max(1, inputs // 4), activation, nn.Sigmoid()))
        layers.append(conv_bn_act(hidden, outputs, 1, activation=""))
        self.block = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, inputs, H, W]`` to ``[N, outputs, H/stride, W/stride]``."""
        return x + self.drop_path(self.block(x)) if self.shortcut else self.block(x)


class EfficientNet(nn.Module):
    """EfficientNet-B0 for grey faces."""

    NAME, ACTIVATION, EXCITE = "efficientnet_b0", "silu", True
    # expansion, kernel, channels, repeats: table 1 of the paper
    STAGES = (
        (1, 3, 16, 1),
        (6, 3, 24, 2),
        (6, 5, 40, 2),
        (6, 3, 80, 3),
        (6, 5, 112, 3),
        (6, 5, 192, 4),
        (6, 3, 320, 1),
    )
    LAST = 1280
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
        strides = check_strides(self.NAME, strides, self.STRIDES)
        activation = activation or self.ACTIVATION
        channels = make_divisible(32 * width)
        features: list[nn.Module] = [conv_bn_act(1, channels, 3, strides[0], activation=activation)]
        blocks, done = sum(stage[3] for stage in self.STAGES), 0
        for (expand, kernel, base, repeats), stride in zip(self.STAGES, strides[1:], strict=True):
            outputs = make_divisible(base * width)
            stage: list[nn.Module] = []
            for index in range(repeats):
                stage.append(
                    MBConv(
                        channels,
                        outputs,
                        expand=expand,
                        kernel=kernel,
                        stride=stride if index == 0 else 1,
                        activation=activation,
                        excite=self.EXCITE,
                        drop_path=drop_path * done / blocks,
                    )
                )
                channels, done = outputs, done + 1
            features.append(nn.Sequential(*stage))
        last = make_divisible(self.LAST * width)
        features.append(conv_bn_act(channels, last, 1, activation=activation))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))
        self.apply(initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float ``[N, 1, S, S]`` to logits ``[N, classes]``."""
        return self.classifier(self.features(x).mean((2, 3)))


class EfficientNetLite(EfficientNet):
    """EfficientNet-Lite0 for grey faces."""

    NAME, ACTIVATION, EXCITE = "efficientnet_lite0", "relu6", False


class EfficientNetLite2(EfficientNetLite):
    """EfficientNet-Lite2 for grey faces: Lite0 with 1.1 times its channels and 1.2 times its repeats."""

    NAME = "efficientnet_lite2"
    STAGES = (
        (1, 3, 16, 1),
        (6, 3, 24, 3),
        (6, 5, 48, 3),
        (6, 3, 88, 4),
        (6, 5, 120, 4),
        (6, 5, 208, 5),
        (6, 3, 352, 1),
    )
