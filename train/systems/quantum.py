"""A residual network on a stem of simulated quantum circuits, and its rivals of equal size.

After Alsubai et al. (Frontiers in Computational Neuroscience, 2024), as far as its abstract tells. Quantum-
inspired: the circuits are simulated exactly on a CPU, and no advantage is claimed. See
docs/systems/quantum.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import nn

from edge.errors import RecipeInvalid
from edge.strict import within
from train.backbones.resnet_slim import ResNetSlim
from train.heads.quantum import QUBITS, QuantumStem
from train.recipe import Recipe, SystemRecipe
from train.systems.plain import Plain


@dataclass(frozen=True)
class QuantumRecipe(SystemRecipe):
    """``stem``: circuits that are trained or stay as drawn, or a 2 x 2 convolution, squared or plain.

    ``layers`` of the circuits, of which there are ``filters``, with four maps each.
    """

    name: str = "quantum"
    stem: Literal["trained", "frozen", "squared", "plain"] = "trained"
    layers: int = field(default=2, metadata=within(1, 16))
    filters: int = field(default=4, metadata=within(1, 64))


class Squared(nn.Module):
    """What a circuit does last: squares."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape; the same shape."""
        return x * x


class Quantum(Plain):
    """See ``train.systems.system.System``."""

    Settings: ClassVar[type[SystemRecipe]] = QuantumRecipe

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        assert isinstance(recipe.system, QuantumRecipe)
        self._how = recipe.system
        if recipe.model.backbone != "resnet_slim" or recipe.model.input_size % 2:
            raise RecipeInvalid(
                f"recipe '{recipe.name}': the system quantum is a resnet_slim for an even input_size, "
                f"not {recipe.model.backbone} for {recipe.model.input_size}"
            )

    def network(self) -> nn.Module:
        """The residual network on its stem."""
        model = self._recipe.model
        return ResNetSlim(
            len(self._recipe.labels),
            width=model.width,
            strides=model.strides,
            dropout=model.dropout,
            activation=model.activation,
            drop_path=model.drop_path,
            stem=self._stem(),
            stem_channels=QUBITS * self._how.filters,
        )

    def _stem(self) -> nn.Module:
        channels = QUBITS * self._how.filters
        if self._how.stem in ("squared", "plain"):
            square = [Squared()] if self._how.stem == "squared" else []
            return nn.Sequential(nn.Conv2d(1, channels, 2, 2), *square)
        data = self._recipe.data
        stem = QuantumStem(data.mean, data.std, self._how.filters, self._how.layers)
        return stem.requires_grad_(self._how.stem == "trained")
