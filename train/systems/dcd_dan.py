"""DCD-DAN: dual attention, adversaries on global and local features, pseudo-labels of the target domain.

After Alzahrani et al. (PeerJ Computer Science, 2025), as far as its abstract tells. Labelled faces are the
source; the stream ``target`` is a domain without labels. See docs/systems/dcd_dan.md.
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
from train.backbones.trunk import LAST, MIDDLE, Trunk
from train.heads.attention import ChannelGate, SpatialGate, opened
from train.heads.regions import WindowPooling
from train.losses.adversarial import discriminator, domain_loss, ramp
from train.losses.pseudo import agreed, pseudo_loss
from train.onnx_export import OUTPUT
from train.predict import predict
from train.recipe import Recipe, SystemRecipe
from train.streams import Stream, StreamWish
from train.systems.system import NETWORK, Losses, Step, Turn

TARGET = "target"
BRANCH = 0.3  # how much a head on one kind of features counts beside the joint one


@dataclass(frozen=True)
class DcdDanRecipe(SystemRecipe):
    """Which parts of the method are on, and how much they count.

    ``adversary_weight`` is the most that a reversed gradient counts, at the run's end; ``pseudo_weight`` 0
    learns nothing from the target's own labels, ``sure`` is what both heads must exceed. ``features``: how
    many of each kind.
    """

    name: str = "dcd_dan"
    attention: bool = True
    adversary: Literal["none", "global", "both"] = "both"
    adversary_weight: float = field(default=0.2, metadata=within(0.0, 10.0))
    pseudo_weight: float = field(default=0.5, metadata=within(0.0, 10.0))
    sure: float = field(default=0.9, metadata=within(0.0, 1.0))
    features: int = field(default=128, metadata=within(2, 4096))


class DcdDanNetwork(nn.Module):
    """A trunk with gates on its middle map, a global and a local branch, and a head on both.

    The local branch pools five windows around eyes, nose and mouth corners, where the crop rule puts them.
    """

    def __init__(self, trunk: Trunk, labels: int, how: DcdDanRecipe, dropout: float) -> None:
        super().__init__()
        self.trunk = trunk
        channels = trunk.channels[MIDDLE]
        gates = [opened(ChannelGate(channels)), opened(SpatialGate())] if how.attention else []
        self.gates = nn.Sequential(*gates)
        points = crop_rule_of("fer2013").landmarks
        self.pool = WindowPooling(points, trunk.sides[MIDDLE])
        self.to_global = nn.Sequential(nn.Linear(trunk.channels[LAST], how.features), nn.ReLU())
        self.to_local = nn.Sequential(nn.Linear(len(points) * channels, how.features), nn.ReLU())
        self.head_global = nn.Linear(how.features, labels)
        self.head_local = nn.Linear(how.features, labels)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * how.features, labels))

    def features(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Global and local features [N, features] each of float [N, 1, S, S]."""
        middle = self.gates(self.trunk.lower(x))
        return self.to_global(self.trunk.upper(middle).mean((2, 3))), self.to_local(self.pool(middle))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float [N, 1, S, S] to the joint head's logits [N, labels]."""
        logits: torch.Tensor = self.head(torch.cat(self.features(x), 1))
        return logits

    def heads(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits of the joint, the global and the local head, then both kinds of features."""
        whole, local = self.features(x)
        joint = self.head(torch.cat([whole, local], 1))
        return joint, self.head_global(whole), self.head_local(local), whole, local


class DcdDan:
    """See ``train.systems.system.System``."""

    Settings: ClassVar[type[SystemRecipe]] = DcdDanRecipe
    streams = (StreamWish(TARGET),)
    extras: tuple[Extra, ...] = ()
    outputs = (OUTPUT,)

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.system, DcdDanRecipe)
        self._recipe, self._how = recipe, recipe.system

    def told(self, count: int) -> Mapping[str, npt.NDArray[np.float32]]:
        """Nothing."""
        return {}

    def known(self, network: nn.Module, faces: FaceSet) -> Mapping[str, npt.NDArray[np.float32]]:
        """Nothing."""
        return {}

    def network(self) -> nn.Module:
        """The exported network."""
        model, labels = self._recipe.model, len(self._recipe.labels)
        trunk = Trunk(backbones.build(model, labels), model.input_size)
        return DcdDanNetwork(trunk, labels, self._how, model.dropout)

    def helpers(self) -> nn.ModuleDict:
        """A critic for each kind of features that has an adversary."""
        kinds = {"none": (), "global": ("global",), "both": ("global", "local")}[self._how.adversary]
        return nn.ModuleDict({kind: discriminator(self._how.features) for kind in kinds})

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
