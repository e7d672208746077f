"""Knowledge distillation (Hinton et al., 2015) from one trained network or the mean of several.

The teachers see the very pictures that the student sees, changed and mixed (Beyer et al., CVPR 2022), or
each face once as it is: cheaper, as they then need not answer at every step. Either way at the size and with
the preparation and normalisation that they were trained with; what else they take is not there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from edge.classify import with_absent
from edge.commands.progress import Progress
from edge.errors import UsageError
from train.augment import prepared
from train.checkpoint import Trained
from train.lineage import Taught
from train.predict import first_of
from train.recipe import Recipe
from train.systems.system import system_of


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

    @property
    def taught(self) -> tuple[Taught, ...]:
        """Who they are, for the student's lineage."""
        return tuple(Taught(each.recipe.name, each.sha256, each.lineage.starts) for each in self._networks)

    def answer(self, grey: torch.Tensor, temperature: float) -> torch.Tensor:
        """Mean probabilities [N, 7] at ``temperature`` for grey levels 0-255, float32 [N, 1, S, S]."""
        answers = []
        with torch.no_grad():
            for each in self._networks:
                size, how = each.recipe.model.input_size, each.recipe.data
                x = grey
                if x.shape[-1] != size:
                    x = F.interpolate(x, (size, size), mode="bilinear", antialias=x.shape[-1] > size)
                if how.prepare:
                    x = prepared(x.cpu(), how.prepare).to(self._device)
                x = ((x - how.mean) / how.std).to(memory_format=torch.channels_last)
                absent = with_absent(system_of(each.recipe).extras, (), len(x))
                told = [torch.from_numpy(values).to(self._device) for values in absent]
                with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
                    logits = first_of(each.model(x, *told))
                answers.append((logits.float() / temperature).softmax(1))
        return torch.stack(answers).mean(0)

    def answers(self, faces: npt.NDArray[np.uint8], temperature: float, batch: int = 256) -> torch.Tensor:
        """Mean of what ``answer`` says of faces [N, H, W] and of their mirror images, float32 [N, 7]."""
        parts = []
        with Progress("asking the teacher", len(faces), "faces") as progress:
            for chosen in np.array_split(faces, range(batch, len(faces), batch)):
                grey = torch.from_numpy(chosen).unsqueeze(1).float().to(self._device)
                parts.append((self.answer(grey, temperature) + self.answer(grey.flip(3), temperature)) / 2)
                progress.advance(len(chosen))
        return torch.cat(parts).cpu()


def distillation_loss(logits: torch.Tensor, taught: torch.Tensor, temperature: float) -> torch.Tensor:
    """Cross-entropy of ``logits`` [N, 7] at ``temperature`` with ``taught`` [N, 7].

    Times the temperature squared, so that its gradient keeps its size whatever the temperature.
    """
    return F.cross_entropy(logits / temperature, taught) * temperature**2


def check(recipe: Recipe, networks: Sequence[Trained], own: bool = False, second: bool = False) -> None:
    """Raise UsageError where the recipe wants a teacher and none is given, or the other way round.

    ``own``: there are soft labels of the data; ``second``: of the second data set.
    """
    data = recipe.data
    for names, given, option in (
        (data.soft_labels, own, "--soft-labels"),
        (data.second_soft_labels, second, "--second-soft-labels"),
    ):
        if bool(names) != given:
            raise UsageError(
                f"recipe '{recipe.name}' reads soft labels of {', '.join(names) or 'nobody'}: "
                f"{'leave out' if given else 'give their file with'} {option}"
            )
    unknown = sorted(set(data.second_soft_labels) - set(data.soft_labels))
    if unknown:
        raise UsageError(
            f"recipe '{recipe.name}': '{unknown[0]}' is in data.second_soft_labels, "
            "and what it expects is known only of a name in data.soft_labels too"
        )
    wanted = recipe.train.distill_weight > 0
    if wanted and not networks and not own:
        raise UsageError(
            f"recipe '{recipe.name}' has train.distill_weight: give a trained run with --teacher"
        )
    if networks and not wanted:
        raise UsageError(f"recipe '{recipe.name}' has no train.distill_weight: leave out --teacher")
    for each in networks:
        if each.recipe.labels != recipe.labels:
            raise UsageError(
                f"recipe '{recipe.name}' learns {', '.join(recipe.labels)}, and the teacher '{each.path}' "
                f"tells {', '.join(each.recipe.labels)}"
            )
    if networks and data.prepare and recipe.train.distill_view == "changed":
        raise UsageError(
            f"recipe '{recipe.name}' prepares its pictures, and a teacher knows others: "
            'give it train.distill_view = "plain"'
        )
