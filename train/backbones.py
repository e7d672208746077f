"""Backbones in plain torch, with torchvision's parameter names so that public weights load.

Every network takes float32 ``[N, 1, S, S]`` and returns logits ``[N, classes]``. A stage's stride is an
argument because a 48-pixel face cannot afford the five halvings a 224-pixel photograph can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from edge.errors import RecipeInvalid


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round a scaled channel count to a multiple of ``divisor``, never losing over a tenth of it."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def conv_bn_act(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, depthwise, project, with a shortcut where the shape allows it."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        layers: list[nn.Module] = [conv_bn_act(inputs, hidden, kernel=1)] if expand != 1 else []
        layers += [
            conv_bn_act(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, inputs, H, W]`` to ``[N, outputs, H/stride, W/stride]``."""
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 (Sandler et al., CVPR 2018) for grey faces."""

    # expansion, channels, repeats: table 2 of the paper
    STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
    STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)

    def __init__(
        self, classes: int, width: float = 1.0, strides: Sequence[int] = (), dropout: float = 0.2
    ) -> None:
        super().__init__()
        strides = tuple(strides) or self.STRIDES
        if len(strides) != len(self.STRIDES):
            raise RecipeInvalid(
                f"mobilenet_v2 takes {len(self.STRIDES)} strides (stem, then stages), not {len(strides)}"
            )
        channels = make_divisible(32 * width)
        features: list[nn.Module] = [conv_bn_act(1, channels, stride=strides[0])]
        for (expand, base, repeats), stride in zip(self.STAGES, strides[1:], strict=True):
            outputs = make_divisible(base * width)
            for index in range(repeats):
                features.append(InvertedResidual(channels, outputs, stride if index == 0 else 1, expand))
                channels = outputs
        last = make_divisible(1280 * max(1.0, width))
        features.append(conv_bn_act(channels, last, kernel=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))
        self.apply(_initialise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float ``[N, 1, S, S]`` to logits ``[N, classes]``."""
        return self.classifier(self.features(x).mean((2, 3)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)


BACKBONES: dict[str, Callable[..., nn.Module]] = {"mobilenet_v2": MobileNetV2}


def build(backbone: str, classes: int, width: float, strides: Sequence[int], dropout: float) -> nn.Module:
    """The named backbone with fresh weights. Raises RecipeInvalid for an unknown name."""
    if backbone not in BACKBONES:
        raise RecipeInvalid(f"unknown backbone '{backbone}': choose {', '.join(BACKBONES)}")
    return BACKBONES[backbone](classes, width=width, strides=strides, dropout=dropout)
