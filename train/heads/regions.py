"""Parts of a face in its maps: windows that stand still."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

Window = tuple[int, int, int, int]


def windows(points: Sequence[tuple[float, float]], side: int, share: float = 1 / 3) -> tuple[Window, ...]:
    """Around each point (x, y in fractions of the crop) a square of ``share`` of a map of ``side`` cells.

    Top, bottom, left and right of each, inside the map.
    """
    wide = max(1, round(side * share))

    def start(at: float) -> int:
        return min(max(0, round(at * side - wide / 2)), side - wide)

    return tuple((start(y), start(y) + wide, start(x), start(x) + wide) for x, y in points)


class WindowPooling(nn.Module):
    """The mean of each window, [N, C, H, W] to [N, windows * C]."""

    def __init__(self, points: Sequence[tuple[float, float]], side: int) -> None:
        super().__init__()
        self.windows = windows(points, side)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        means = [x[:, :, top:low, left:right].mean((2, 3)) for top, low, left, right in self.windows]
        return torch.cat(means, 1)
