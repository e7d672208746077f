"""What of a face's map tells the expression, once what tells the person is taken out of it."""

from __future__ import annotations

import torch
from torch import nn


def _branch(inputs: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
    )


class Decoupler(nn.Module):
    """Two branches on one map; what a gate lets through of the person's is taken off the expression's.

    ``apart`` False leaves the subtraction out, for ablation.
    """

    def __init__(self, inputs: int, channels: int, apart: bool = True) -> None:
        super().__init__()
        self.apart = apart
        self.expression = _branch(inputs, channels)
        if apart:
            self.identity = nn.Sequential(_branch(inputs, channels), nn.ReLU())
            self.gate = nn.Conv2d(channels, channels, 1)
            self.shared = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``[N, inputs, G, G]`` to what is left of the expression, and to the person's map.

        Both ``[N, channels, G, G]``; without the subtraction the second is the first.
        """
        mixed = self.expression(maps)
        if not self.apart:
            return mixed, mixed
        person = self.identity(maps)
        return mixed - torch.sigmoid(self.gate(person)) * self.shared(person), person
