"""MAP-Net: regions of the landmarks weigh one branch by how far they are seen, a spatial mask the other.

After Ju and Zhao (ICASSP 2022), of which only the survey's sentence is public. Labelled faces without
landmarks teach what to do where nothing is known of the parts; the stream ``landmarked`` has landmarks, and
things are drawn over half of its faces. A trained network keeps its classifier, to which the regions add: it
begins as it was. See docs/systems/map_net.md.
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
from edge.errors import RecipeInvalid
from edge.extras.regions import MIRRORED, PARTS, fixed_masks, masks
from edge.strict import within
from faces.crop_rule import crop_rule_of
from faces.face_set import FaceSet
from train import backbones
from train.backbones.trunk import MIDDLE, Whole, nothing_yet
from train.heads.attention import SpatialGate, opened
from train.landmarked import Landmarked, LandmarkedStream
from train.onnx_export import OUTPUT
from train.recipe import Recipe, SystemRecipe
from train.streams import Stream, StreamWish
from train.systems.system import Losses, Step, Turn, refuse_ignored_teachers

STREAM, BRANCH = "landmarked", 0.3
LEAST = 1e-3  # visibility that is none: its logarithm must be a number


@dataclass(frozen=True)
class MapNetRecipe(SystemRecipe):
    """``masks``: what the regions' branch is told, the truth or, for ablation, ones or another face's.

    ``worn``: share of the stream's faces with something drawn over; ``forgotten``: of regions set to unseen.
    """

    name: str = "map_net"
    masks: Literal["true", "ones", "shuffled"] = "true"
    worn: float = field(default=0.5, metadata=within(0.0, 1.0))
    forgotten: float = field(default=0.2, metadata=within(0.0, 1.0))
    features: int = field(default=128, metadata=within(2, 4096))


class RegionBranch(nn.Module):
    """Maps pooled by each region, weighed by a score of its own and by how far it is seen."""

    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(channels, 64), nn.ReLU())
        # Without a bias: a softmax over regions takes no notice of what all have in common.
        self.score = nn.Linear(64, 1, bias=False)
        self.join = nn.Sequential(nn.Linear(2 * 64, features), nn.ReLU())

    def weights(self, middle: torch.Tensor, regions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Each region's weight [N, 6], summing to 1, and its embedding [N, 6, 64]."""
        flat = regions.flatten(2)
        pooled = torch.matmul(flat, middle.flatten(2).transpose(1, 2)) / (flat.sum(2, keepdim=True) + LEAST)
        embedded = self.embed(pooled)
        seen = flat.amax(2).clamp(min=LEAST)
        return F.softmax(self.score(embedded).squeeze(2) + torch.log(seen), 1), embedded

    def forward(self, middle: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        """``[N, C, G, G]`` and masks ``[N, 6, G, G]`` to features ``[N, features]``."""
        weights, embedded = self.weights(middle, regions)
        weighed = embedded * weights.unsqueeze(2)
        joined: torch.Tensor = self.join(torch.cat([weighed.sum(1), weighed.amax(1)], 1))
        return joined


class MapNetNetwork(nn.Module):
    """A trunk with a spatial gate before its last parts, and the regions' branch on its middle map.

    What the branch finds is added to what the trunk's classifier reads.
    """

    def __init__(self, trunk: Whole, labels: int, features: int) -> None:
        super().__init__()
        self.gate, self.by_region = opened(SpatialGate()), RegionBranch(trunk.channels[MIDDLE], features)
        self.head_region, self.join = nn.Linear(features, labels), nothing_yet(features, trunk.width)
        # Last, as its classifier is the last that forward asks: probes and priors look for that.
        self.trunk = trunk

    def branches(self, faces: torch.Tensor, regions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features [N, features] of the regions and [N, width] of the whole."""
        middle = self.trunk.lower(faces)
        return self.by_region(middle, regions), self.trunk.vector(self.trunk.upper(self.gate(middle)))

    def forward(self, faces: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        """Float [N, 1, S, S] and masks [N, 6, G, G] to logits [N, labels]."""
        parts, whole = self.branches(faces, regions)
        return self.trunk.answer(whole + self.join(parts))

    def heads(self, faces: torch.Tensor, regions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits of both together, of the regions and of the whole."""
        parts, whole = self.branches(faces, regions)
        joint = self.trunk.answer(whole + self.join(parts))
        return joint, self.head_region(parts), self.trunk.answer(whole)


class MapNet:
    """See ``train.systems.system.System``."""

    Settings: ClassVar[type[SystemRecipe]] = MapNetRecipe
    streams = (StreamWish(STREAM, ("landmarks",)),)
    outputs = (OUTPUT,)

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.system, MapNetRecipe)
        self._recipe, self._how = recipe, recipe.system
        refuse_ignored_teachers(recipe)
        if recipe.augment.mixup or recipe.augment.cutmix or recipe.train.sizes:
            raise RecipeInvalid(
                f"recipe '{recipe.name}': the system map_net knows where the parts of one face lie at one "
                "size: leave out augment.mixup, augment.cutmix and train.sizes"
            )
        self._grid = self._trunk().sides[MIDDLE]

    def _trunk(self) -> Whole:
        model = self._recipe.model
        return Whole(backbones.build(model, len(self._recipe.labels)), model.input_size)

    @property
    def extras(self) -> tuple[Extra, ...]:
        """The regions; absent, a face lies as the crop rule says and all of it is seen."""
        fixed = self._fixed()
        return (Extra("regions", "regions", fixed.shape, tuple(float(f"{v:.4g}") for v in fixed.ravel())),)

    def _fixed(self) -> npt.NDArray[np.float32]:
        return fixed_masks(crop_rule_of("fer2013").landmarks, self._grid)

    def told(self, count: int) -> Mapping[str, npt.NDArray[np.float32]]:
        """The crop rule's masks, each part seen by a share of its own."""
        seen = np.random.default_rng(1).random((count, len(PARTS), 1, 1), np.float32)
        return {"regions": self._fixed() * seen}

    def known(self, network: nn.Module, faces: FaceSet) -> Mapping[str, npt.NDArray[np.float32]]:
        """Nothing."""
        return {}

    def network(self) -> nn.Module:
        """The exported network."""
        return MapNetNetwork(self._trunk(), len(self._recipe.labels), self._how.features)

    def helpers(self) -> nn.ModuleDict:
        """None."""
        return nn.ModuleDict()

    def turns(self) -> tuple[Turn, ...]:
        """One."""
        return (Turn("labels"),)

    def stream(self, name: str, faces: FaceSet) -> Stream:
        """Faces with landmarks, things drawn over them."""
        return LandmarkedStream(self._recipe, name, faces, self._how.worn)

    def regions(self, drawn: Landmarked) -> torch.Tensor:
        """The masks [B, 6, G, G] that the network is told for a batch of the stream."""
        made = masks(drawn.points, drawn.visible, self._grid)
        made[drawn.mirrored] = made[drawn.mirrored][:, list(MIRRORED)]
        told = torch.from_numpy(made)
        if self._how.masks == "ones":
            return torch.ones_like(told)
        if self._how.masks == "shuffled":
            return told.roll(1, 0)
        return told * (torch.rand(len(told), len(PARTS), 1, 1) >= self._how.forgotten)

    def losses(self, turn: Turn, network: nn.Module, helpers: nn.ModuleDict, step: Step) -> Losses:
        """Labels of both kinds of faces, by all three heads."""
        assert isinstance(network, MapNetNetwork)
        drawn: Landmarked = step.streams[STREAM]  # type: ignore[assignment]
        network.train()
        fixed = torch.from_numpy(self._fixed()).expand(len(step.batch.grey), -1, -1, -1)
        regions = torch.cat([fixed, self.regions(drawn)]).to(step.device)
        faces = step.normal(torch.cat([step.batch.grey, drawn.grey]))
        named = {"labels": 1.0, "regions": BRANCH, "whole": BRANCH}
        answers = step.answers(network.heads, faces, regions)
        y, known = step.batch.target.to(step.device), drawn.target.to(step.device)

        def loss(logits: torch.Tensor) -> torch.Tensor:
            own, others = logits[: len(y)], logits[len(y) :]
            return (step.lessons.loss(own, y) + drawn.lessons.loss(others, known)) / 2

        return {
            name: weight * loss(logits) for (name, weight), logits in zip(named.items(), answers, strict=True)
        }

    def chances(self, stream: str, network: nn.Module, faces: FaceSet) -> npt.NDArray[np.float64] | None:
        """All alike."""
        return None

    def trunk(self, network: nn.Module) -> nn.Module:
        """The backbone's part."""
        assert isinstance(network, MapNetNetwork)
        return network.trunk
