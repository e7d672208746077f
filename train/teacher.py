"""Knowledge distillation (Hinton et al., 2015) from one trained network or the mean of several.

The teachers see the very pictures that the student sees, changed and mixed (Beyer et al., CVPR 2022), at
the size and with the normalisation that they were trained with.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from edge.errors import UsageError
from train.checkpoint import Trained
from train.recipe import Recipe


class Teacher:
    """Trained networks that answer together, on ``device``, with the student's ``autocast``."""

    def __init__(self, networks: Sequence[Trained], device: torch.device, autocast: str = "none") -> None:
        self._networks, self._device, self._bfloat16 = networks, device, autocast == "bfloat16"
        for each in networks:
            each.model.to(device=device, memory_format=torch.channels_last).eval()

    @property
    def sha256(self) -> list[str]:
        """Digests of the networks' files."""
        return [each.sha256 for each in self._networks]

    def answer(self, grey: torch.Tensor, temperature: float) -> torch.Tensor:
        """Mean probabilities [N, 7] at ``temperature`` for grey levels 0-255, float32 [N, 1, S, S]."""
        answers = []
        with torch.no_grad():
            for each in self._networks:
                size, how = each.recipe.model.input_size, each.recipe.data
                x = grey
                if x.shape[-1] != size:
                    x = F.interpolate(x, (size, size), mode="bilinear", antialias=x.shape[-1] > size)
                x = ((x - how.mean) / how.std).to(memory_format=torch.channels_last)
                with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
                    logits = each.model(x)
                answers.append((logits.float() / temperature).softmax(1))
        return torch.stack(answers).mean(0)


def distillation_loss(logits: torch.Tensor, taught: torch.Tensor, temperature: float) -> torch.Tensor:
    """Cross-entropy of ``logits`` [N, 7] at ``temperature`` with ``taught`` [N, 7].

    Times the temperature squared, so that its gradient keeps its size whatever the temperature.
    """
    return F.cross_entropy(logits / temperature, taught) * temperature**2


def check(recipe: Recipe, networks: Sequence[Trained]) -> None:
    """Raise UsageError where the recipe wants a teacher and none is given, or the other way round."""
    wanted = recipe.train.distill_weight > 0
    if wanted and not networks:
        raise UsageError(
            f"recipe '{recipe.name}' has train.distill_weight: give a trained run with --teacher"
        )
    if networks and not wanted:
        raise UsageError(f"recipe '{recipe.name}' has no train.distill_weight: leave out --teacher")
