"""Heads that read a row of moments, the last of which is now."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

DILATIONS = (1, 2, 4)  # with kernels of 3 these see 15 moments


class Last(nn.Module):
    """Sees now alone: what time has to beat."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.width = hidden
        self.embed = nn.Sequential(nn.Linear(features, hidden), nn.ReLU())

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """``[N, T, features]`` to ``[N, width]``."""
        embedded: torch.Tensor = self.embed(rows[:, -1])
        return embedded


class Mean(Last):
    """Sees all moments, and not their order."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """``[N, T, features]`` to ``[N, width]``."""
        embedded: torch.Tensor = self.embed(rows.mean(1))
        return embedded


class Tcn(nn.Module):
    """Causal convolutions over time, each looking twice as far back (Bai et al., 2018): the mean and now."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.width = 2 * hidden
        inputs = (features, *[hidden] * (len(DILATIONS) - 1))
        self.layers = nn.ModuleList(
            nn.Conv1d(before, hidden, 3, dilation=dilation)
            for before, dilation in zip(inputs, DILATIONS, strict=True)
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """``[N, T, features]`` to ``[N, width]``."""
        x = rows.transpose(1, 2)
        for index, (layer, dilation) in enumerate(zip(self.layers, DILATIONS, strict=True)):
            seen = F.relu(layer(F.pad(x, (2 * dilation, 0))))
            x = seen + x if index else seen
        return torch.cat([x.mean(2), x[:, :, -1]], 1)


class Factorised(nn.Module):
    """(2+1)D convolutions (Tran et al., CVPR 2018): over the map's places, then over time; twice.

    A row is a map ``[channels, side, side]`` laid flat, and numbers after it that are left out.
    """

    def __init__(self, channels: int, side: int, hidden: int) -> None:
        super().__init__()
        self.channels, self.side, self.width = channels, side, hidden
        self.layers = nn.Sequential(
            nn.Conv3d(channels, channels, (1, 3, 3), padding=(0, 1, 1), groups=channels),
            nn.Conv3d(channels, hidden, (3, 1, 1), padding=(1, 0, 0)),
            nn.ReLU(),
            nn.Conv3d(hidden, hidden, (1, 3, 3), padding=(0, 1, 1), groups=hidden),
            nn.Conv3d(hidden, hidden, (3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)),
            nn.ReLU(),
        )
        self.join = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU())

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """``[N, T, channels * side * side + more]`` to ``[N, width]``."""
        flat = rows[:, :, : self.channels * self.side**2]
        volume = flat.reshape(flat.shape[0], flat.shape[1], self.channels, self.side, self.side)
        x = self.layers(volume.transpose(1, 2)).mean((3, 4))
        joined: torch.Tensor = self.join(torch.cat([x.mean(2), x[:, :, -1]], 1))
        return joined
