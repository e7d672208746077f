"""TFEN: the person taken out of a face, then what time tells of it, on a trunk that stays as it is.

After Teng et al. (IEEE TAFFC, 2023), as far as its abstract tells. A trained classifier is the trunk and
keeps its weights: what it says of the one frame stands, and the head adds what the frames before say.
Without any, the reading is the trunk's own. See docs/systems/tfen.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from edge.bundle_files.sections import Extra
from edge.errors import DataInvalid, RecipeInvalid
from edge.strict import within
from faces.clip_set import ClipSet
from faces.face_set import FaceSet
from train import backbones
from train.backbones.trunk import LAST, Trunk
from train.clip_maps import ClipMaps
from train.clip_priors import draws
from train.clip_stream import VIEWS, Clips, ClipStream
from train.heads.decoupler import Decoupler
from train.heads.temporal import Factorised, Last, Mean, Tcn
from train.losses.adversarial import ramp, reverse_gradient
from train.onnx_export import OUTPUT
from train.recipe import Recipe, SystemRecipe
from train.streams import Stream, StreamWish
from train.systems.system import NETWORK, Losses, Step, Turn

STREAM, FEATURE = "clips", "feature"
ENOUGH = 4.0  # moments remembered from which on the head counts fully


@dataclass(frozen=True)
class TfenRecipe(SystemRecipe):
    """Which parts of the method are on, and how much they count.

    ``head``: "last" and "mean" are what the others have to beat, "factorised" the reference. ``moments``: of
    a clip, now among them. ``people``: as many as the clips may have. ``short``: the share of clips of which
    only an end is remembered, ``backward`` of those that run backward, from the expression to the calm face.
    """

    evidence: ClassVar[bool] = True  # if the trunk's logits are

    name: str = "tfen"
    head: Literal["last", "mean", "tcn", "factorised"] = "tcn"
    decoupler: bool = True
    adversary_weight: float = field(default=0.3, metadata=within(0.0, 10.0))
    identity_weight: float = field(default=0.2, metadata=within(0.0, 10.0))
    features: int = field(default=64, metadata=within(2, 4096))
    moments: int = field(default=16, metadata=within(3, 256))
    people: int = field(default=1024, metadata=within(2, 100_000))
    short: float = field(default=0.3, metadata=within(0.0, 1.0))
    backward: float = field(default=0.2, metadata=within(0.0, 1.0))


class TfenNetwork(nn.Module):
    """A frozen ``backbone``, a decoupler on its last map, and a head over the moments remembered.

    A moment is a row of ``width`` numbers, the last of which is 1; a row of zeros is none.
    """

    def __init__(self, backbone: nn.Module, size: int, labels: int, how: TfenRecipe, dropout: float) -> None:
        super().__init__()
        trunk = Trunk(backbone, size)
        channels, side = trunk.channels[LAST], trunk.sides[LAST]
        self.backbone = backbone.requires_grad_(False)
        self.decoupler = Decoupler(channels, how.features, how.decoupler)
        flat = how.features * side**2
        spatial = how.head == "factorised"
        self.embed = nn.Identity() if spatial else nn.Linear(flat, how.features)
        self.width = (flat if spatial else how.features) + 1
        self.calm = nn.Linear(self.width, self.width - 1, bias=False)
        self.head: Last | Mean | Tcn | Factorised
        if how.head == "factorised":
            self.head = Factorised(how.features, side, how.features)
        else:
            heads: dict[str, type[Last | Mean | Tcn]] = {"last": Last, "mean": Mean, "tcn": Tcn}
            self.head = heads[how.head](self.width, how.features)
        self.answer = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.head.width, labels))

    def train(self, mode: bool = True) -> TfenNetwork:
        """As ever, but for the backbone: it stays as it is."""
        super().train(mode)
        self.backbone.eval()
        return self

    def maps(self, faces: torch.Tensor) -> torch.Tensor:
        """The trunk's last map ``[N, C, G, G]`` of float [N, 1, S, S]."""
        parts = self.backbone.features
        assert isinstance(parts, nn.Sequential)
        for index, part in enumerate(parts):
            if index < len(parts) - 1:
                faces = part(faces)
        return faces

    def still(self, maps: torch.Tensor) -> torch.Tensor:
        """The trunk's own logits of its maps."""
        parts = self.backbone.features
        assert isinstance(parts, nn.Sequential)
        logits: torch.Tensor = self.backbone.classifier(parts[len(parts) - 1](maps).mean((2, 3)))
        return logits

    def moment(self, left: torch.Tensor) -> torch.Tensor:
        """Rows ``[N, width]`` of what the decoupler left."""
        row = torch.tanh(self.embed(left.flatten(1)))
        return torch.cat([row, torch.ones_like(row[:, :1])], 1)

    def read(
        self, still: torch.Tensor, memory: torch.Tensor, now: torch.Tensor, reference: torch.Tensor
    ) -> torch.Tensor:
        """Logits of the trunk's ``still`` ones, rows ``memory`` [N, T, width], ``now`` and ``reference``."""
        rows = torch.cat([memory, now.unsqueeze(1)], 1)
        there = rows[:, :, -1:]
        moved = (rows[:, :, :-1] - self.calm(reference).unsqueeze(1)) * there
        remembered = memory[:, :, -1].sum(1, keepdim=True)
        share = torch.clamp(remembered / ENOUGH, 0.0, 1.0)
        return still + share * self.answer(self.head(torch.cat([moved, there], 2)))

    def forward(
        self, faces: torch.Tensor, memory: torch.Tensor, reference: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Float [N, 1, S, S], [N, T - 1, width] and [N, width] to logits [N, labels] and this moment."""
        maps = self.maps(faces)
        now = self.moment(self.decoupler(maps)[0])
        return self.read(self.still(maps), memory, now, reference), now


class Tfen:
    """See ``train.systems.system.System``."""

    Settings: ClassVar[type[SystemRecipe]] = TfenRecipe
    streams = (StreamWish(STREAM, ("person",)),)
    outputs = (OUTPUT, FEATURE)

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.system, TfenRecipe)
        self._recipe, self._how = recipe, recipe.system
        if recipe.train.sizes:
            raise RecipeInvalid(f"recipe '{recipe.name}': the system tfen keeps one size: no train.sizes")
        # The trunk keeps its weights, so its maps of a clip are made once: they are no state.
        self._maps: ClipMaps | None = None

    def network(self) -> nn.Module:
        """The exported network."""
        model, labels = self._recipe.model, len(self._recipe.labels)
        backbone = backbones.build(model, labels)
        if not isinstance(backbone.features, nn.Sequential):
            raise RecipeInvalid(f"recipe '{self._recipe.name}': {model.backbone} has no parts in a row")
        return TfenNetwork(backbone, model.input_size, labels, self._how, model.dropout)

    @property
    def extras(self) -> tuple[Extra, ...]:
        """The moments before, and the calm face; absent is all zeros."""
        width = self._width()
        return (
            Extra("memory", "memory", (self._how.moments - 1, width), (0.0,)),
            Extra("reference", "reference", (width,), (0.0,)),
        )

    def _width(self) -> int:
        how, model = self._how, self._recipe.model
        if how.head != "factorised":
            return how.features + 1
        side = Trunk(backbones.build(model, len(self._recipe.labels)), model.input_size).sides[LAST]
        return how.features * side**2 + 1

    def told(self, count: int) -> Mapping[str, npt.NDArray[np.float32]]:
        """Rows that wander as a face's do, some of them forgotten, and a calm face for every other one."""
        rng, width, length = np.random.default_rng(1), self._width(), self._how.moments - 1
        steps = rng.normal(0, 0.1, (count, length, width - 1))
        rows = np.tanh(rng.normal(0, 0.5, (count, 1, width - 1)) + steps.cumsum(1))
        there = np.arange(length)[None, :] >= rng.integers(0, length + 1, count)[:, None]
        memory = np.concatenate([rows, np.ones((count, length, 1))], 2) * there[:, :, None]
        calm = np.concatenate([rows[:, 0], np.ones((count, 1))], 1) * (np.arange(count) % 2)[:, None]
        return {"memory": memory.astype(np.float32), "reference": calm.astype(np.float32)}

    def helpers(self) -> nn.ModuleDict:
        """Who it is: named by the person's branch, sought by an adversary in what is left."""
        how, helpers = self._how, nn.ModuleDict()
        if how.decoupler:
            helpers["namer"] = nn.Linear(how.features, how.people)
        if how.adversary_weight:
            seeks = nn.Sequential(nn.Linear(how.features, 64), nn.ReLU(), nn.Linear(64, how.people))
            helpers["adversary"] = seeks
        return helpers

    def turns(self) -> tuple[Turn, ...]:
        """One: reversed gradients let all learn at once."""
        return (Turn("all", (NETWORK, *self.helpers())),)

    def stream(self, name: str, faces: FaceSet) -> Stream:
        """Clips."""
        assert faces.person is not None
        people = len(np.unique(faces.person))
        if people > self._how.people:
            raise DataInvalid(
                f"stream '{name}' has {people} people, and system.people is {self._how.people}: raise it"
            )
        how = self._how
        stream = ClipStream(self._recipe, name, faces, how.short, how.backward)
        self._refuse_length(faces)
        return stream

    def _refuse_length(self, faces: FaceSet) -> None:
        assert isinstance(faces, ClipSet)
        if faces.clips.shape[1] != self._how.moments:
            raise DataInvalid(
                f"{faces.name} has clips of {faces.clips.shape[1]} frames, and system.moments is "
                f"{self._how.moments}"
            )

    def maps_of(self, network: TfenNetwork) -> ClipMaps:
        """The trunk's maps of clips; what the trunk is must not change from now on."""
        if self._maps is None:
            network.backbone.eval()
            device = next(network.parameters()).device
            self._maps = ClipMaps(self._recipe, network.maps, network.backbone.state_dict(), device)
        return self._maps

    def losses(self, turn: Turn, network: nn.Module, helpers: nn.ModuleDict, step: Step) -> Losses:
        """Labels of the clips; who it is, named by the one branch and not to be found in the other."""
        assert isinstance(network, TfenNetwork)
        drawn: Clips = step.streams[STREAM]  # type: ignore[assignment]
        faces = step.faces[STREAM]
        assert isinstance(faces, ClipSet) and faces.person is not None
        network.train()
        known = self.maps_of(network)
        views = [known.of(faces, each) for each in range(VIEWS)]
        chosen = zip(drawn.views.tolist(), drawn.indices.tolist(), strict=True)
        maps = torch.stack([views[number][index] for number, index in chosen]).float().to(step.device)
        backward = drawn.backward
        maps = torch.where(backward.view(-1, 1, 1, 1, 1).to(step.device), maps.flip(1), maps)
        target = step.targets(STREAM, drawn.indices)
        target[backward] = F.one_hot(self._calm(), target.shape[1]).float()
        length = maps.shape[1]
        left, person = network.decoupler(maps.flatten(0, 1))
        rows = network.moment(left).unflatten(0, (-1, length))
        remembered = torch.arange(length - 1)[None, :] >= drawn.since[:, None]
        memory = rows[:, :-1] * remembered.unsqueeze(2).to(rows)
        first = torch.where(backward, length - 1, 0).to(step.device)
        reference = rows[torch.arange(len(rows)), first] * drawn.known.unsqueeze(1).to(rows)
        with torch.no_grad():
            still = network.still(maps[:, -1])
        logits = network.read(still, memory, rows[:, -1], reference)
        # Each making under its own prior: labels are not as common among photographs as among heads.
        expected = logits + drawn.log_priors.to(step.device)
        losses = {"labels": F.cross_entropy(expected, target.to(step.device))}
        who = torch.from_numpy(np.unique(faces.person, return_inverse=True)[1][drawn.indices.numpy()])
        every = who.to(step.device).repeat_interleave(length)
        if "namer" in helpers:
            losses["identity"] = self._how.identity_weight * F.cross_entropy(
                helpers["namer"](person.mean((2, 3))), every
            )
        if "adversary" in helpers:
            weight = self._how.adversary_weight * ramp(step.progress)
            sought = helpers["adversary"](reverse_gradient(left.mean((2, 3)), weight))
            losses["adversary"] = F.cross_entropy(sought, every)
        return losses

    def _calm(self) -> torch.Tensor:
        return torch.tensor(self._recipe.labels.index("neutral"))

    def known(self, network: nn.Module, faces: FaceSet) -> Mapping[str, npt.NDArray[np.float32]]:
        """Of clips, the moments before the last frame; of stills, nothing."""
        if not isinstance(faces, ClipSet):
            return {}
        assert isinstance(network, TfenNetwork)
        self._refuse_length(faces)
        return {"memory": self.rows(network, faces)[:, :-1]}

    def rows(self, network: TfenNetwork, faces: ClipSet) -> npt.NDArray[np.float32]:
        """All moments of clips, float32 [N, T, width]. Leaves ``network`` in evaluation mode."""
        network.eval()
        maps = self.maps_of(network).of(faces)
        device = next(network.parameters()).device
        with torch.no_grad():
            parts = [
                network.moment(network.decoupler(part.flatten(0, 1).float().to(device))[0]).cpu()
                for part in maps.split(64)
            ]
        return np.asarray(torch.cat(parts).unflatten(0, (-1, maps.shape[1])).numpy(), np.float32)

    def chances(self, stream: str, network: nn.Module, faces: FaceSet) -> npt.NDArray[np.float64] | None:
        """See ``clip_priors.draws``."""
        assert isinstance(faces, ClipSet)
        return draws(faces)

    def trunk(self, network: nn.Module) -> nn.Module:
        """The backbone, its classifier with it."""
        assert isinstance(network, TfenNetwork)
        return network.backbone
