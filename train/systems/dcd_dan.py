"""DCD-DAN: dual attention, adversaries on global and local features, pseudo-labels of the target domain.

After Alzahrani et al. (PeerJ Computer Science, 2025), as far as its abstract tells. Labelled faces are the
source; the stream ``target`` is a domain without labels. A trained network keeps its classifier, to which
what is local adds: it begins as it was. See docs/systems/dcd_dan.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge.bundle_files.sections import Extra
from edge.strict import within
from faces.crop_rule import crop_rule_of
from faces.face_set import FaceSet
from train import backbones
from train.backbones.trunk import MIDDLE, Whole, nothing_yet
from train.heads.attention import ChannelGate, SpatialGate, opened
from train.heads.regions import WindowPooling
from train.losses.adversarial import discriminator, domain_loss, ramp
from train.losses.pseudo import agreed, pseudo_loss
from train.onnx_export import OUTPUT
from train.predict import predict
from train.recipe import Recipe, SystemRecipe
from train.streams import Stream, StreamWish
from train.systems.system import NETWORK, Losses, Step, Turn, refuse_ignored_teachers

TARGET = "target"
BRANCH = 0.3  # how much a head on one kind of features counts beside the joint one


@dataclass(frozen=True)
class DcdDanRecipe(SystemRecipe):
    """Which parts of the method are on, and how much they count.

    ``adversary_weight`` is the most that a reversed gradient counts, at the run's end; ``pseudo_weight`` 0
    learns nothing from the target's own labels, ``sure`` is what both heads must exceed. ``features``: how
    many are local.
    """

    name: str = "dcd_dan"
    attention: bool = True
    adversary: Literal["none", "global", "both"] = "both"
    adversary_weight: float = field(default=0.2, metadata=within(0.0, 10.0))
    pseudo_weight: float = field(default=0.5, metadata=within(0.0, 10.0))
    sure: float = field(default=0.9, metadata=within(0.0, 1.0))
    features: int = field(default=128, metadata=within(2, 4096))


class DcdDanNetwork(nn.Module):
    """A trunk with gates on its middle map, and a local branch that adds to what its classifier reads.

    The local branch pools five windows around eyes, nose and mouth corners, where the crop rule puts them;
    what the classifier reads of the trunk itself is global.
    """

    def __init__(self, trunk: Whole, labels: int, how: DcdDanRecipe) -> None:
        super().__init__()
        channels = trunk.channels[MIDDLE]
        gates = [opened(ChannelGate(channels)), opened(SpatialGate())] if how.attention else []
        self.gates = nn.Sequential(*gates)
        points = crop_rule_of("fer2013").landmarks
        self.pool = WindowPooling(points, trunk.sides[MIDDLE])
        self.to_local = nn.Sequential(nn.Linear(len(points) * channels, how.features), nn.ReLU())
        self.head_local, self.join = nn.Linear(how.features, labels), nothing_yet(how.features, trunk.width)
        # Last, as its classifier is the last that forward asks: probes and priors look for that.
        self.trunk = trunk

    def features(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Global features [N, width] and local ones [N, features] of float [N, 1, S, S]."""
        middle = self.gates(self.trunk.lower(x))
        return self.trunk.vector(self.trunk.upper(middle)), self.to_local(self.pool(middle))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float [N, 1, S, S] to logits [N, labels] by both kinds of features."""
        whole, local = self.features(x)
        return self.trunk.answer(whole + self.join(local))

    def heads(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits by both kinds of features, by the global and by the local ones, then both kinds."""
        whole, local = self.features(x)
        joint = self.trunk.answer(whole + self.join(local))
        return joint, self.trunk.answer(whole), self.head_local(local), whole, local


class DcdDan:
    """See ``train.systems.system.System``."""

    Settings: ClassVar[type[SystemRecipe]] = DcdDanRecipe
    streams = (StreamWish(TARGET),)
    extras: tuple[Extra, ...] = ()
    outputs = (OUTPUT,)

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.system, DcdDanRecipe)
        refuse_ignored_teachers(recipe)
        self._recipe, self._how = recipe, recipe.system

    def told(self, count: int) -> Mapping[str, npt.NDArray[np.float32]]:
        """Nothing."""
        return {}

    def known(self, network: nn.Module, faces: FaceSet) -> Mapping[str, npt.NDArray[np.float32]]:
        """Nothing."""
        return {}

    def network(self) -> nn.Module:
        """The exported network."""
        return DcdDanNetwork(self._trunk(), len(self._recipe.labels), self._how)

    def _trunk(self) -> Whole:
        model = self._recipe.model
        return Whole(backbones.build(model, len(self._recipe.labels)), model.input_size)

    def helpers(self) -> nn.ModuleDict:
        """A critic for each kind of features that has an adversary."""
        kinds = {"none": (), "global": ("global",), "both": ("global", "local")}[self._how.adversary]
        wide = {"global": self._trunk().width, "local": self._how.features}
        return nn.ModuleDict({kind: discriminator(wide[kind]) for kind in kinds})

    def turns(self) -> tuple[Turn, ...]:
        """One: reversed gradients let the critics and the network learn at once."""
        return (Turn("all", (NETWORK, *self.helpers())),)

    def losses(self, turn: Turn, network: nn.Module, helpers: nn.ModuleDict, step: Step) -> Losses:
        """Labels of the source, the target's pseudo-labels, and the critics'."""
        assert isinstance(network, DcdDanNetwork)
        network.train()
        grey, y = step.batch.grey, step.batch.target.to(step.device)
        sources = len(grey)
        if self._how.pseudo_weight or len(helpers):
            grey = torch.cat([grey, step.streams[TARGET].grey])
        # Else the target is not looked at: batch normalisation alone would learn of it.
        x = step.normal(grey)
        joint, whole_head, local_head, whole, local = step.answers(network.heads, x)
        loss = step.lessons.loss
        losses = {
            "labels": loss(joint[:sources], y),
            "global": BRANCH * loss(whole_head[:sources], y),
            "local": BRANCH * loss(local_head[:sources], y),
        }
        if self._how.pseudo_weight:
            labels, holds = agreed(whole_head[sources:], local_head[sources:], self._how.sure)
            losses["pseudo"] = self._how.pseudo_weight * pseudo_loss(joint[sources:], labels, holds)
        weight = self._how.adversary_weight * ramp(step.progress)
        for kind, features in (("global", whole), ("local", local)):
            if kind in helpers:
                losses[f"domain {kind}"] = domain_loss(helpers[kind], features, sources, weight)
        return losses

    def trunk(self, network: nn.Module) -> nn.Module:
        """The backbone's part."""
        assert isinstance(network, DcdDanNetwork)
        return network.trunk

    def stream(self, name: str, faces: FaceSet) -> Stream:
        """As it comes."""
        return Stream(self._recipe, name, faces)

    def chances(self, stream: str, network: nn.Module, faces: FaceSet) -> npt.NDArray[np.float64]:
        """Faces of the target are drawn so that every class that the network sees there comes as often.

        A target in which nine of ten smile would else be told apart from the source by just that.
        """
        seen = predict(network, faces.faces, self._recipe).argmax(1)
        counts = np.bincount(seen, minlength=len(self._recipe.labels))
        weights = 1 / counts[seen]
        return np.asarray(weights / weights.sum(), np.float64)
