"""Gates over maps: which channels matter, and where (Woo et al., CBAM, ECCV 2018, in this order)."""

from __future__ import annotations

import torch
from torch import nn


def opened(gate: ChannelGate | SpatialGate) -> ChannelGate | SpatialGate:
    """``gate``, weighing 0-2 and everything by 1 at first: for a network that was trained without it."""
    last = gate.fc2 if isinstance(gate, ChannelGate) else gate.conv
    assert last.bias is not None
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    gate.gate = Twice()
    return gate


class Twice(nn.Module):
    """A sigmoid from 0 to 2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape; the same shape."""
        return 2 * torch.sigmoid(x)


class ChannelGate(nn.Module):
    """Weighs channels 0-1 by what all of the picture says of them, squeezed to an eighth."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(4, channels // 8)
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        self.activation = nn.ReLU()
        self.gate: nn.Module = nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, C, H, W]`` to the same shape."""
        pooled = x.mean((2, 3), keepdim=True)
        kept: torch.Tensor = x * self.gate(self.fc2(self.activation(self.fc1(pooled))))
        return kept


class SpatialGate(nn.Module):
    """Weighs places 0-1 by the mean and the largest of their channels, through one 3 x 3 filter."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 3, padding=1)
        self.gate: nn.Module = nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, C, H, W]`` to the same shape."""
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        kept: torch.Tensor = x * self.gate(self.conv(seen))
        return kept
