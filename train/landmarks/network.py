"""The landmark network: MobileNetV3-Small's maps, weighed place by place, to 68 points and their visibility.

A mean over places would forget where a feature was; a depthwise filter as large as the map does not (the
global depthwise convolution of MobileFaceNets, Chen et al., 2018), and costs next to nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from train.backbones.layers import initialise
from train.backbones.mobilenet_v3 import MobileNetV3Small
from train.landmarks.recipe import NetworkRecipe

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


class LandmarkNetwork(nn.Module):
    """Grey crops float32 [N, 1, S, S] to points [N, 68, 2], shares of the crop's side, and [N, 68] logits.

    A logit above 0 says that the point is likelier seen than not. ``mean_shape`` float32 [68, 2] is what a
    fresh network answers to any face.
    """

    def __init__(self, recipe: NetworkRecipe, mean_shape: npt.NDArray[np.float32] | None = None) -> None:
        super().__init__()
        backbone = MobileNetV3Small(
            1, width=recipe.width, strides=recipe.strides, dropout=0, activation=recipe.activation
        )
        self.features = backbone.features
        halvings = int(np.prod(recipe.strides))
        with torch.no_grad():
            self.features.eval()
            channels = self.features(torch.zeros(1, 1, recipe.input_size, recipe.input_size)).shape[1]
            self.features.train()
        side = -(-recipe.input_size // halvings)
        self.where = nn.Sequential(
            nn.Conv2d(channels, channels, side, groups=channels, bias=False), nn.BatchNorm2d(channels)
        )
        self.hidden = nn.Sequential(nn.Linear(channels, recipe.hidden), nn.ReLU())
        self.points = nn.Linear(recipe.hidden, 2 * POINTS)
        self.visible = nn.Linear(recipe.hidden, POINTS)
        for part in (self.where, self.hidden, self.points, self.visible):
            part.apply(initialise)
        if mean_shape is not None:
            self.points.bias.data.copy_(torch.from_numpy(mean_shape.ravel()))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Points [N, 68, 2] and visibility logits [N, 68] of ``x`` float32 [N, 1, S, S], standardised."""
        hidden = self.hidden(self.where(self.features(x)).flatten(1))
        return self.points(hidden).unflatten(1, (POINTS, 2)), self.visible(hidden)
