"""The seam between the training loop and what is trained: a system.

A system gives the network that is exported, the helpers that only train (discriminators, decoders), which of
their parameters move in which turn, and the losses of a turn. The loop keeps all else: batches and streams
seeded by the step, optimisers, averaged weights, checkpoints, history. A system holds no state of its own
that changes from step to step, or a stopped run could not go on bit for bit.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge.bundle_files.sections import Extra
from edge.errors import RecipeInvalid
from faces.face_set import FaceSet
from train.recipe import Recipe, SystemRecipe
from train.systems.table import SYSTEMS

if TYPE_CHECKING:
    from train.batches import Batch
    from train.lessons import Lessons
    from train.streams import Drawn, Stream, StreamWish

Losses = dict[str, torch.Tensor]
NETWORK = "network"


@dataclass(frozen=True)
class Turn:
    """A part of a step with an optimiser of its own: ``trains`` names the network, or helpers, that move.

    What a turn does not train still passes gradients on: a generator learns through its critic.
    """

    name: str
    trains: tuple[str, ...] = (NETWORK,)


class Answering(Protocol):
    """Networks that teach."""

    def answer(self, grey: torch.Tensor, temperature: float) -> torch.Tensor:
        """Probabilities [N, labels] at ``temperature`` for grey levels 0-255, float32 [N, 1, S, S]."""
        ...


@dataclass(frozen=True)
class Step:
    """What a system may learn from at one step.

    ``batch`` is the labelled stream; ``streams`` are the others that the system wished for, by name.
    ``progress`` is the share of the run that is done, 0-1. ``answer`` runs a module in training mode under
    the recipe's autocast: ``step.answer(network, x)``.
    """

    batch: Batch
    streams: Mapping[str, Drawn]
    progress: float
    recipe: Recipe
    device: torch.device
    lessons: Lessons
    teacher: Answering | None = None
    faces: Mapping[str, FaceSet] = field(default_factory=dict)

    def targets(self, stream: str, indices: torch.Tensor) -> torch.Tensor:
        """Float32 [B, labels] of a stream's labelled faces, as the recipe mixes labels and votes."""
        few = self.faces[stream].take(indices.numpy())
        data, train = self.recipe.data, self.recipe.train
        return torch.from_numpy(few.targets(data.votes_weight, train.label_smoothing))

    def answer(self, module: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
        """Float32 of what ``module`` makes of ``inputs`` [N, C, H, W] each, under the recipe's autocast."""
        with self.autocast():
            return module(*inputs).float()

    def answers(
        self, module: Callable[..., tuple[torch.Tensor, ...]], *inputs: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """As ``answer``, for what gives several tensors."""
        with self.autocast():
            return tuple(each.float() for each in module(*inputs))

    def autocast(self) -> torch.autocast:
        """The recipe's precision."""
        bfloat16 = self.recipe.train.autocast == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16)

    def normal(self, grey: torch.Tensor) -> torch.Tensor:
        """Grey levels [N, 1, S, S] as the network sees them, channels last in memory."""
        how = self.recipe.data
        return ((grey.to(self.device) - how.mean) / how.std).to(memory_format=torch.channels_last)


class System(Protocol):
    """What is trained. ``Settings`` is its table in a recipe, a frozen dataclass with a ``name``."""

    Settings: ClassVar[type[SystemRecipe]]

    def __init__(self, recipe: Recipe) -> None:
        """Raises RecipeInvalid for what the recipe cannot ask of it."""

    @property
    def streams(self) -> tuple[StreamWish, ...]:
        """Faces that it learns from beside the labelled ones."""
        ...

    @property
    def extras(self) -> tuple[Extra, ...]:
        """What the network is told beside the face at run time, in the order of its inputs."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what the network gives, logits first."""
        ...

    def told(self, count: int) -> Mapping[str, npt.NDArray[np.float32]]:
        """For each extra, by name, values float32 [count, *shape] like real faces': always the same."""
        ...

    def known(self, network: nn.Module, faces: FaceSet) -> Mapping[str, npt.NDArray[np.float32]]:
        """What ``faces`` themselves tell of the extras, by name, float32 [N, *shape]; {}: all are absent."""
        ...

    def network(self) -> nn.Module:
        """The exported network with fresh weights.

        Float32 [N, 1, S, S], and then [N, *shape] of each extra, to logits [N, labels]; where it has more
        ``outputs``, to those after them.
        """
        ...

    def helpers(self) -> nn.ModuleDict:
        """What trains beside it and is never exported, with fresh weights."""
        ...

    def turns(self) -> tuple[Turn, ...]:
        """The turns of a step, in order."""
        ...

    def losses(self, turn: Turn, network: nn.Module, helpers: nn.ModuleDict, step: Step) -> Losses:
        """What is to be made small in ``turn``, by name; the loop minimises their sum."""
        ...

    def stream(self, name: str, faces: FaceSet) -> Stream:
        """The stream of that name over ``faces``."""
        ...

    def chances(self, stream: str, network: nn.Module, faces: FaceSet) -> npt.NDArray[np.float64] | None:
        """How likely each of a stream's ``faces`` is drawn in the epoch that begins; None: all alike.

        ``network`` has the averaged weights of that moment.
        """
        ...

    def trunk(self, network: nn.Module) -> nn.Module:
        """The part of ``network`` that public or trained weights are started from."""
        ...


@dataclass(frozen=True)
class Parts:
    """Weights of a run in training: the exported network, and helpers by name."""

    network: nn.Module
    helpers: nn.ModuleDict = field(default_factory=nn.ModuleDict)

    def of(self, turn: Turn) -> list[nn.Module]:
        """The modules that ``turn`` trains."""
        return [self.network if name == NETWORK else self.helpers[name] for name in turn.trains]


def system_class(name: str) -> type[System]:
    """The class of a system in the table."""
    module, attribute = SYSTEMS[name].split(":")
    return cast("type[System]", getattr(importlib.import_module(module), attribute))


def system_of(recipe: Recipe) -> System:
    """The system that ``recipe`` trains. Raises RecipeInvalid."""
    return system_class(recipe.system.name)(recipe)


def refuse_ignored_teachers(recipe: Recipe) -> None:
    """Raise RecipeInvalid where a system that hears teachers in its lessons alone would not hear them."""
    if recipe.train.distill_weight and not recipe.data.balanced:
        raise RecipeInvalid(
            f"recipe '{recipe.name}': the system {recipe.system.name} learns from teachers only with "
            "data.balanced = true: set it, or leave out train.distill_weight"
        )


def known_of(system: System, network: nn.Module, faces: FaceSet) -> list[npt.NDArray[np.float32] | None]:
    """What ``faces`` tell of each of the system's extras, in their order; None: nothing."""
    known = system.known(network, faces)
    return [known.get(extra.name) for extra in system.extras]


def parts_of(recipe: Recipe) -> Parts:
    """Network and helpers with weights drawn from the recipe's seed. Raises RecipeInvalid."""
    system = system_of(recipe)
    torch.manual_seed(recipe.train.seed)
    network = system.network()
    # Seeded apart: the network does not depend on how many helpers train it.
    torch.manual_seed(recipe.train.seed + 1_000_000)
    return Parts(network, system.helpers())
