"""Cross-entropy with the labels, and with a teacher's answers where one teaches: a backbone, nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import nn

from edge.bundle_files.sections import Extra
from faces.face_set import FaceSet
from train import backbones
from train.onnx_export import OUTPUT
from train.recipe import Recipe, SystemRecipe
from train.streams import Stream, StreamWish
from train.systems.system import Losses, Step, Turn
from train.teacher import distillation_loss


class Plain:
    """See ``train.systems.system.System``."""

    Settings: ClassVar[type[SystemRecipe]] = SystemRecipe
    streams: tuple[StreamWish, ...] = ()
    extras: tuple[Extra, ...] = ()
    outputs: tuple[str, ...] = (OUTPUT,)

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def told(self, count: int) -> Mapping[str, npt.NDArray[np.float32]]:
        """Nothing."""
        return {}

    def known(self, network: nn.Module, faces: FaceSet) -> Mapping[str, npt.NDArray[np.float32]]:
        """Nothing."""
        return {}

    def network(self) -> nn.Module:
        """The recipe's backbone."""
        return backbones.build(self._recipe.model, len(self._recipe.labels))

    def helpers(self) -> nn.ModuleDict:
        """None."""
        return nn.ModuleDict()

    def turns(self) -> tuple[Turn, ...]:
        """One, of the network."""
        return (Turn("labels"),)

    def losses(self, turn: Turn, network: nn.Module, helpers: nn.ModuleDict, step: Step) -> Losses:
        """The labels' share and the teachers'."""
        how = step.recipe.train
        grey, y, taught = (each.to(step.device) for each in step.batch)
        network.train()
        logits = step.answer(network, step.normal(grey))
        loss = step.lessons.loss(logits, y)
        if step.teacher is None or step.recipe.data.balanced:
            return {"labels": loss}
        if not taught.numel():
            taught = step.teacher.answer(grey, how.distill_temperature)
        distilled = distillation_loss(logits, taught, how.distill_temperature)
        weight = how.distill_weight
        return {"labels": (1 - weight) * loss, "teachers": weight * distilled}

    def stream(self, name: str, faces: FaceSet) -> Stream:
        """As it comes."""
        return Stream(self._recipe, name, faces)

    def chances(self, stream: str, network: nn.Module, faces: FaceSet) -> npt.NDArray[np.float64] | None:
        """All alike."""
        return None

    def trunk(self, network: nn.Module) -> nn.Module:
        """The whole network."""
        return network
