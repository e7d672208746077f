"""A landmark network without a map that hardly a face wakes.

Units behind a ReLU can die in training: then a whole map is zero for nearly every face, and what makes it
costs time and bytes on a board for nothing, and gives int8 a range of no width, which XNNPACK refuses.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from train.landmarks.change import plain
from train.landmarks.learn import Learnt
from train.landmarks.marked import MarkedFaces
from train.landmarks.network import POINTS, LandmarkNetwork

AT_ONCE = 256
HARDLY = 0.01  # of faces


def wakes(learnt: Learnt, faces: MarkedFaces) -> float:
    """The share of ``faces`` that make the network's coarsest map answer anything, 0-1."""
    woken = 0
    with torch.no_grad():
        for start in range(0, len(faces), AT_ONCE):
            pictures = plain(faces, slice(start, start + AT_ONCE)).pictures
            x = torch.from_numpy((pictures - learnt.recipe.mean) / learnt.recipe.std)
            answers = learnt.network.coarse(learnt.network.maps(x)[1])
            woken += int((answers > 0).flatten(1).any(1).sum())
    return woken / len(faces)


class WithoutCoarse(nn.Module):  # type: ignore[misc]
    """What ``network`` answers where its coarsest map is zero, without the stage that makes it."""

    def __init__(self, network: LandmarkNetwork) -> None:
        super().__init__()
        self.lower, self.fine, self.covered = network.lower, network.fine, network.covered
        unused = network.hidden.in_features - network.points.in_features  # those of what is covered
        side = int((unused // network.covered.out_channels) ** 0.5)
        used = network.fine.out_channels * side**2
        self.points = _of_columns(network.points, list(range(used)))
        covered = range(network.points.in_features, network.hidden.in_features)
        self.hidden = _of_columns(network.hidden, [*range(used), *covered])
        self.visible = network.visible

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Points [N, 68, 2] and visibility logits [N, 68] of ``x`` float32 [N, 1, S, S], standardised."""
        fine = self.lower(x)
        placed = F.relu(self.fine(fine)).flatten(1)
        hidden = F.relu(self.hidden(torch.cat([placed, self.covered(fine).sigmoid().flatten(1)], 1)))
        return self.points(placed).unflatten(1, (POINTS, 2)), self.visible(hidden)


def _of_columns(linear: nn.Linear, columns: list[int]) -> nn.Linear:
    """The layer that is given only these of its inputs, the others being zero."""
    made = nn.Linear(len(columns), linear.out_features)
    with torch.no_grad():
        made.weight.copy_(linear.weight[:, columns])
        made.bias.copy_(linear.bias)
    return made
