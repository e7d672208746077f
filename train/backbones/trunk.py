"""A backbone without its classifier, cut where its last halving begins: maps for heads to read."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

MIDDLE, LAST = "middle", "last"


class Trunk(nn.Module):
    """The parts of ``backbone``, but for the last one that only widens maps for its classifier.

    ``lower`` gives the middle map, [N, 96, 6, 6] of MobileNetV2 at 48 pixels with our strides; ``upper``
    makes the last map of it, [N, 320, 3, 3]. ``channels`` and ``sides`` are theirs, by name. Parameters keep
    the backbone's names, so that its weights load.
    """

    def __init__(self, backbone: nn.Module, size: int) -> None:
        super().__init__()
        features = backbone.features
        assert isinstance(features, nn.Sequential), "a backbone's parts stand in a Sequential"
        self.features = features[:-1]
        shapes = _shapes(self.features, size)
        halvings = [k for k in range(1, len(shapes)) if shapes[k][1] < shapes[k - 1][1]]
        self._cut = halvings[-1] if halvings else len(shapes) - 1
        ends = {MIDDLE: shapes[self._cut - 1], LAST: shapes[-1]}
        self.channels: Mapping[str, int] = {name: shape[0] for name, shape in ends.items()}
        self.sides: Mapping[str, int] = {name: shape[1] for name, shape in ends.items()}

    def leaves_out(self, name: str) -> bool:
        """Whether a parameter of this name is of the parts of the backbone that a trunk does without."""
        return name.startswith(("classifier.", f"features.{len(self.features)}."))

    def lower(self, x: torch.Tensor) -> torch.Tensor:
        """Float [N, 1, S, S] to the middle map."""
        for index, part in enumerate(self.features):
            if index < self._cut:
                x = part(x)
        return x

    def upper(self, middle: torch.Tensor) -> torch.Tensor:
        """The middle map to the last."""
        for index, part in enumerate(self.features):
            if index >= self._cut:
                middle = part(middle)
        return middle

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Float [N, 1, S, S] to both maps."""
        middle = self.lower(x)
        return {MIDDLE: middle, LAST: self.upper(middle)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float [N, 1, S, S] to the last map."""
        return self.upper(self.lower(x))


def _shapes(features: nn.Sequential, size: int) -> list[tuple[int, int]]:
    """(channels, side) of what each part gives for a picture of ``size`` pixels."""
    was, shapes = features.training, []
    features.eval()
    with torch.no_grad():
        x = torch.zeros(1, 1, size, size)
        for part in features:
            x = part(x)
            shapes.append((int(x.shape[1]), int(x.shape[2])))
    features.train(was)
    return shapes
