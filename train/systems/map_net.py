"""MAP-Net: regions of the landmarks weigh one branch by how far they are seen, a spatial mask the other.

After Ju and Zhao (ICASSP 2022), of which only the survey's sentence is public. Labelled faces without
landmarks teach what to do where nothing is known of the parts; the stream ``landmarked`` has landmarks, and
things are drawn over half of its faces. See docs/systems/map_net.md.
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
from train.backbones.trunk import LAST, MIDDLE, Trunk
from train.heads.attention import SpatialGate, opened
from train.landmarked import Landmarked, LandmarkedStream
from train.onnx_export import OUTPUT
from train.recipe import Recipe, SystemRecipe
from train.streams import Stream, StreamWish
from train.systems.system import Losses, Step, Turn

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
    """A trunk, the regions' branch on its middle map, and a spatial gate before the rest of it."""

    def __init__(self, trunk: Trunk, labels: int, features: int, dropout: float) -> None:
        super().__init__()
        self.trunk, self.gate = trunk, opened(SpatialGate())
        self.by_region = RegionBranch(trunk.channels[MIDDLE], features)
        self.whole = nn.Sequential(nn.Linear(trunk.channels[LAST], features), nn.ReLU())
        self.head_region, self.head_whole = nn.Linear(features, labels), nn.Linear(features, labels)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * features, labels))

    def branches(self, faces: torch.Tensor, regions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features [N, features] of the regions and of the whole."""
        middle = self.trunk.lower(faces)
        whole = self.whole(self.trunk.upper(self.gate(middle)).mean((2, 3)))
        return self.by_region(middle, regions), whole

    def forward(self, faces: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
        """Float [N, 1, S, S] and masks [N, 6, G, G] to logits [N, labels]."""
        logits: torch.Tensor = self.head(torch.cat(self.branches(faces, regions), 1))
        return logits

    def heads(self, faces: torch.Tensor, regions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits of the joint head, the regions' and the whole's."""
        parts, whole = self.branches(faces, regions)
        return self.head(torch.cat([parts, whole], 1)), self.head_region(parts), self.head_whole(whole)


class MapNet:
    """See ``train.systems.system.System``."""

    Settings: ClassVar[type[SystemRecipe]] = MapNetRecipe
    streams = (StreamWish(STREAM, ("landmarks",)),)
    outputs = (OUTPUT,)

    def __init__(self, recipe: Recipe) -> None:
        assert isinstance(recipe.system, MapNetRecipe)
        self._recipe, self._how = recipe, recipe.system
        if recipe.augment.mixup or recipe.augment.cutmix or recipe.train.sizes:
            raise RecipeInvalid(
                f"recipe '{recipe.name}': the system map_net knows where the parts of one face lie at one "
                "size: leave out augment.mixup, augment.cutmix and train.sizes"
            )
        self._grid = self._trunk().sides[MIDDLE]

    def _trunk(self) -> Trunk:
        model = self._recipe.model
        return Trunk(backbones.build(model, len(self._recipe.labels)), model.input_size)

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
        return MapNetNetwork(
            self._trunk(), len(self._recipe.labels), self._how.features, self._recipe.model.dropout
        )

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
        known = step.targets(STREAM, drawn.indices)
        target = torch.cat([step.batch.target, known]).to(step.device)
        joint, by_region, whole = step.answers(network.heads, faces, regions)
        return {
            "labels": F.cross_entropy(joint, target),
            "regions": BRANCH * F.cross_entropy(by_region, target),
            "whole": BRANCH * F.cross_entropy(whole, target),
        }

    def chances(self, stream: str, network: nn.Module, faces: FaceSet) -> npt.NDArray[np.float64] | None:
        """All alike."""
        return None

    def trunk(self, network: nn.Module) -> nn.Module:
        """The backbone's part."""
        assert isinstance(network, MapNetNetwork)
        return network.trunk
