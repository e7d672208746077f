"""The pieces that the backbones share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from edge.errors import RecipeInvalid

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "silu": lambda: nn.SiLU(inplace=True),
    "hardswish": lambda: nn.Hardswish(inplace=True),
}


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round a scaled channel count to a multiple of ``divisor``, never losing over a tenth of it."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def activation_named(name: str) -> nn.Module:
    """A fresh activation. Raises RecipeInvalid for an unknown name."""
    if name not in ACTIVATIONS:
        raise RecipeInvalid(f"unknown activation '{name}': choose {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def check_strides(backbone: str, given: Sequence[int], usual: Sequence[int]) -> tuple[int, ...]:
    """``given``, or ``usual`` where it is empty. Raises RecipeInvalid for another number of strides."""
    if given and len(given) != len(usual):
        raise RecipeInvalid(f"{backbone} takes {len(usual)} strides (stem, then stages), not {len(given)}")
    return tuple(given) or tuple(usual)


def conv_bn_act(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    *,
    groups: int = 1,
    activation: str,
) -> nn.Sequential:
    """Convolution, batch normalisation, and the named activation ("": none)."""
    kind = DepthwiseConv2d if groups == inputs else nn.Conv2d
    layers = [
        kind(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([activation_named(activation)] if activation else []))


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution that on a CPU learns in float32 where bfloat16 would be slow.

    oneDNN has no fast backward pass for bfloat16 but for 3 x 3 at stride 1: a 5 x 5 or strided one takes
    2 to 70 times as long as in float32 (``python -m benchmarks.depthwise``).
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, C, H, W]`` to ``[N, C, H/stride, W/stride]``."""
        if self.training and x.device.type == "cpu" and self._small(x):
            with torch.autocast("cpu", enabled=False):
                maps: torch.Tensor = _SmallDepthwise.apply(x.float(), self.weight)
                return maps
        quick = self.kernel_size == (3, 3) and self.stride == (1, 1)
        if quick or not self.training or x.device.type != "cpu":
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())

    def _small(self, x: torch.Tensor) -> bool:
        """Whether it is 5 x 5 at stride 1 over at most 6 x 6 pixels."""
        return bool(self.kernel_size == (5, 5) and self.stride == (1, 1) and x.shape[2] * x.shape[3] <= 36)


class _SmallDepthwise(torch.autograd.Function):
    """A depthwise 5 x 5 over a small map, whose gradient is a product of matrices.

    oneDNN's own takes 1.6 to 10 times as long on processors with AVX2 (``python -m benchmarks.depthwise``):
    with few pixels a channel's weights see every pair of an output and an input pixel, so all pairs are
    multiplied and those of the same offset added.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """``[N, C, H, W]`` to the same shape."""
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of the maps and of the weights."""
        x, weight = ctx.saved_tensors
        channels, side = weight.shape[0], weight.shape[-1]
        rows, columns = x.shape[2:]
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_maps = F.conv2d(gradient, weight.flip(2, 3), padding=side // 2, groups=channels)
        after = gradient.permute(1, 2, 3, 0).reshape(channels, rows * columns, -1)
        before = x.permute(1, 0, 2, 3).reshape(channels, -1, rows * columns)
        pairs = torch.bmm(after, before).view(channels, -1)
        return of_maps, (pairs @ _offsets(rows, columns, side)).view_as(weight)


@lru_cache(maxsize=16)
def _offsets(rows: int, columns: int, side: int) -> torch.Tensor:
    """[pixels * pixels, side * side]: 1 where an output pixel sees an input pixel through that weight."""
    y, x = torch.arange(rows * columns) // columns, torch.arange(rows * columns) % columns
    down, right = (at[None, :] - at[:, None] + side // 2 for at in (y, x))
    inside = (down >= 0) & (down < side) & (right >= 0) & (right < side)
    weight = torch.where(inside, down * side + right, side * side)
    return F.one_hot(weight, side * side + 1)[..., :-1].float().view(-1, side * side)


class SqueezeExcitation(nn.Module):
    """Weighs channels by what all of the picture says of them (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, squeezed: int, activation: str, gate: nn.Module) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.activation = activation_named(activation)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.gate = gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, C, H, W]`` to the same shape."""
        pooled = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.fc2(self.activation(self.fc1(pooled))))


class DropPath(nn.Module):
    """In training, leaves a block out for some of the faces (Huang et al., ECCV 2016)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, C, H, W]`` to the same shape; what is kept is scaled up to keep its expectation."""
        if not self.training or self.probability == 0:
            return x
        kept = 1 - self.probability
        return x * (torch.rand(len(x), 1, 1, 1, device=x.device).lt(kept) / kept).to(x.dtype)


def initialise(module: nn.Module) -> None:
    """Fresh weights: He et al. (ICCV 2015) by fan-out, small linear layers, batch norm as identity."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)
