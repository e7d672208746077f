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
        inputs = (channels, hidden)
        self.places = nn.ModuleList(nn.Conv2d(each, each, 3, padding=1, groups=each) for each in inputs)
        self.times = nn.ModuleList(nn.Conv1d(each, hidden, 3, padding=1) for each in inputs)
        self.join = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU())

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """``[N, T, channels * side * side + more]`` to ``[N, width]``."""
        length, cells = rows.shape[1], self.side**2
        flat = rows[:, :, : self.channels * cells]
        x = flat.reshape(-1, self.channels, self.side, self.side)
        for place, time in zip(self.places, self.times, strict=True):
            seen = place(x).reshape(-1, length, x.shape[1], cells)
            # Each place's course: [N * cells, channels, T].
            course = seen.permute(0, 3, 2, 1).reshape(-1, x.shape[1], length)
            moved = F.relu(time(course)).reshape(-1, cells, self.width, length)
            x = moved.permute(0, 3, 2, 1).reshape(-1, self.width, self.side, self.side)
        over = x.mean((2, 3)).reshape(-1, length, self.width)
        joined: torch.Tensor = self.join(torch.cat([over.mean(1), over[:, -1]], 1))
        return joined
