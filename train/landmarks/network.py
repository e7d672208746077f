"""The landmark network: a small residual trunk of plain convolutions, to 68 points and their visibility.

Points are a weighed sum of its last two maps place by place, as in PFLD (Guo et al., 2019): a mean over
places would forget where a feature was. Plain convolutions rather than depthwise ones: at 64 pixels a step of
them takes less of a processor's time, though it multiplies four times as much.

Beside them it says on a grid of GRID x GRID cells how much of each is covered by something. That is only
taught, never asked for: a thing's outline is told exactly at every pixel, and 68 points are few to learn from
what a thing is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from train.backbones.layers import activation_named, conv_bn_act, initialise
from train.landmarks.recipe import PARTS, NetworkRecipe

POINTS = 68
# Each of iBUG's points in the mirrored face.
MIRRORED = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    27,
    28,
    29,
    30,
    *range(35, 30, -1),
    45,
    44,
    43,
    42,
    47,
    46,
    39,
    38,
    37,
    36,
    41,
    40,
    *range(54, 47, -1),
    *range(59, 54, -1),
    *range(64, 59, -1),
    *range(67, 64, -1),
)
FINE, COARSE = 16, 48  # channels of the last two maps that the points are made from


class Residual(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (He et al., CVPR 2016)."""

    def __init__(self, channels: int, activation: str) -> None:
        super().__init__()
        self.block = nn.Sequential(
            conv_bn_act(channels, channels, activation=activation),
            conv_bn_act(channels, channels, activation=""),
        )
        self.activation = activation_named(activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[N, channels, H, W]`` to the same shape."""
        summed: torch.Tensor = self.activation(x + self.block(x))
        return summed


class LandmarkNetwork(nn.Module):
    """Grey crops float32 [N, 1, S, S] to points [N, 68, 2], shares of the crop's side, and [N, 68] logits.

    A logit above 0 says that the point is likelier seen than not. ``mean_shape`` float32 [68, 2] is what a
    fresh network answers to any face.
    """

    def __init__(self, recipe: NetworkRecipe, mean_shape: npt.NDArray[np.float32] | None = None) -> None:
        super().__init__()
        act = recipe.activation
        channels, stages = recipe.stem, []
        for wide, blocks in zip(recipe.widths, recipe.blocks, strict=True):
            first = conv_bn_act(channels, wide, stride=2, activation=act)
            stages.append(nn.Sequential(first, *(Residual(wide, act) for _ in range(blocks))))
            channels = wide
        self.lower = nn.Sequential(conv_bn_act(1, recipe.stem, stride=2, activation=act), *stages[:-1])
        self.upper = stages[-1]
        self.fine = nn.Conv2d(recipe.widths[-2], FINE, 1)
        self.coarse = nn.Conv2d(recipe.widths[-1], COARSE, 1)
        self.covered = nn.Conv2d(recipe.widths[-2], PARTS**2, 1)
        side = recipe.input_size // 2 ** len(recipe.widths)
        places = FINE * side**2 + COARSE * (side // 2) ** 2
        self.points = nn.Linear(places, 2 * POINTS)
        self.hidden = nn.Linear(places + (PARTS * side) ** 2, recipe.hidden)
        self.visible = nn.Linear(recipe.hidden, POINTS)
        self.apply(initialise)
        if mean_shape is not None:
            self.points.bias.data.copy_(torch.from_numpy(mean_shape.ravel()))

    def maps(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The last two maps of ``x``, at an eighth and a sixteenth of its size."""
        fine = self.lower(x)
        return fine, self.upper(fine)

    def answers(
        self, fine: torch.Tensor, coarse: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Points, logits of what is seen, and logits [N, GRID, GRID] of what is covered, of the maps."""
        covered = self.covered(fine)
        placed = torch.cat([F.relu(self.fine(fine)).flatten(1), F.relu(self.coarse(coarse)).flatten(1)], 1)
        hidden = F.relu(self.hidden(torch.cat([placed, covered.sigmoid().flatten(1)], 1)))
        points = self.points(placed).unflatten(1, (POINTS, 2))
        return points, self.visible(hidden), F.pixel_shuffle(covered, PARTS).squeeze(1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Points [N, 68, 2] and visibility logits [N, 68] of ``x`` float32 [N, 1, S, S], standardised."""
        return self.answers(*self.maps(x))[:2]
