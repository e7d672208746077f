"""A backbone cut where its last halving begins: maps for heads to read, without its classifier or with it."""

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
        self._end = len(features) - 1
        self.features = self._kept(features)
        shapes = _shapes(features[:-1], size)
        halvings = [k for k in range(1, len(shapes)) if shapes[k][1] < shapes[k - 1][1]]
        self._cut = halvings[-1] if halvings else len(shapes) - 1
        ends = {MIDDLE: shapes[self._cut - 1], LAST: shapes[-1]}
        self.channels: Mapping[str, int] = {name: shape[0] for name, shape in ends.items()}
        self.sides: Mapping[str, int] = {name: shape[1] for name, shape in ends.items()}

    def _kept(self, features: nn.Sequential) -> nn.Sequential:
        return features[: self._end]

    def leaves_out(self, name: str) -> bool:
        """Whether a parameter of this name is of the parts of the backbone that a trunk does without."""
        return name.startswith(("classifier.", f"features.{self._end}."))

    def lower(self, x: torch.Tensor) -> torch.Tensor:
        """Float [N, 1, S, S] to the middle map."""
        for index, part in enumerate(self.features):
            if index < self._cut:
                x = part(x)
        return x

    def upper(self, middle: torch.Tensor) -> torch.Tensor:
        """The middle map to the last."""
        for index, part in enumerate(self.features):
            if self._cut <= index < self._end:
                middle = part(middle)
        return middle

    def maps(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Float [N, 1, S, S] to both maps."""
        middle = self.lower(x)
        return {MIDDLE: middle, LAST: self.upper(middle)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float [N, 1, S, S] to the last map."""
        return self.upper(self.lower(x))


class Whole(Trunk):
    """A trunk that keeps what its backbone makes of the last map: heads may add to it, and begin as it is.

    ``width`` is how many numbers its classifier reads.
    """

    def __init__(self, backbone: nn.Module, size: int) -> None:
        super().__init__(backbone, size)
        self.width = _shapes(self.features, size)[-1][0]
        self.classifier = backbone.classifier

    def _kept(self, features: nn.Sequential) -> nn.Sequential:
        return features

    def leaves_out(self, name: str) -> bool:
        """Nothing."""
        return False

    def vector(self, last: torch.Tensor) -> torch.Tensor:
        """What the classifier reads, [N, width], of the last map."""
        widened: torch.Tensor = self.features[self._end](last)
        return widened.mean((2, 3))

    def answer(self, vector: torch.Tensor) -> torch.Tensor:
        """Logits [N, labels] of float [N, width]."""
        logits: torch.Tensor = self.classifier(vector)
        return logits


def nothing_yet(inputs: int, outputs: int) -> nn.Linear:
    """A layer that gives zeros until it has learnt: what it is added to begins as it was."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


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
