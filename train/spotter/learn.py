"""Training the spotter network, by numbered steps (``train.stepwise``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from edge.moments.decode import OUTPUTS
from train import stepwise
from train.checkpoint import make_folder
from train.digests import digest_of_arrays
from train.lock import alone
from train.spotter.change import Drawer
from train.spotter.motion_set import ARRAYS, MotionSet
from train.spotter.network import SpotterNetwork
from train.spotter.recipe import MEAN, STD, Recipe, parse
from train.stepwise import Stepwise

LEARNT = "spotter.pt"


@dataclass(frozen=True)
class Learnt:
    """A trained spotter network, in evaluation mode."""

    network: SpotterNetwork
    recipe: Recipe

    def ask(self, levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits float32 [N, outputs, told] of windows uint8 [N, ROWS, window]."""
        x = (levels[:, None].astype(np.float32) - MEAN) / STD
        with torch.no_grad():
            logits: npt.NDArray[np.float32] = self.network(torch.from_numpy(x)).numpy()
        return logits.reshape(len(levels), len(OUTPUTS), -1)


def fit(recipe: Recipe, films: MotionSet, out: Path, name: str = "training") -> bool:
    """Train on ``films`` in the folder ``out``; whether the last step was taken.

    A checkpoint that is there is continued; SIGINT and SIGTERM write one and return. The averaged weights
    go to spotter.pt at the end. Raises DataInvalid (a checkpoint of other films), RecipeInvalid, UsageError
    (another run is in the folder) and ToolchainError (the loss diverged).
    """
    make_folder(out)
    torch.manual_seed(recipe.learn.seed)
    network = SpotterNetwork(recipe.network).to(memory_format=torch.channels_last)
    drawer = Drawer(films, recipe)
    data = digest_of_arrays(getattr(films, name) for name in ARRAYS)
    with alone(out):
        run = Stepwise(recipe.text, recipe.learn, network, out, data)
        return run.run(lambda step: _loss(recipe, drawer, network, step), LEARNT, name)


def load_learnt(path: Path) -> Learnt:
    """The network of a run's folder or of its spotter.pt. Raises DataInvalid and RecipeInvalid."""
    return Learnt(*stepwise.load_learnt(path, LEARNT, parse, lambda recipe: SpotterNetwork(recipe.network)))


def _loss(recipe: Recipe, drawer: Drawer, network: SpotterNetwork, step: int) -> torch.Tensor:
    how = recipe.learn
    windows = drawer(how.batch_size, np.random.default_rng([how.seed, step]))
    x = torch.from_numpy(windows.levels[:, None]).float().to(memory_format=torch.channels_last)
    wanted = torch.from_numpy(windows.wanted)
    logits = network((x - MEAN) / STD).view_as(wanted)
    lost = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    inside, *bounds = lost.mean((0, 2)).unbind()
    return inside + how.bounds * torch.stack(bounds).sum()
