"""Training the landmark network, by numbered steps (``train.stepwise``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from train import stepwise
from train.checkpoint import load_state, make_folder, read
from train.digests import digest_of, digest_of_arrays
from train.landmarks import marked
from train.landmarks.change import changed, plain
from train.landmarks.covers import Covers
from train.landmarks.losses import loss
from train.landmarks.marked import MarkedFaces
from train.landmarks.network import LandmarkNetwork
from train.landmarks.recipe import Recipe, parse
from train.lock import alone
from train.stepwise import Stepwise

LEARNT = "landmarks.pt"


@dataclass(frozen=True)
class Learnt:
    """A trained landmark network, in evaluation mode."""

    network: nn.Module
    recipe: Recipe

    def ask(
        self, pictures: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Points [N, 68, 2] and visibility logits [N, 68] of grey crops float32 [N, 1, S, S], 0-255."""
        x = torch.from_numpy((pictures - self.recipe.mean) / self.recipe.std)
        with torch.no_grad():
            points, logits = self.network(x)
        return points.numpy(), logits.numpy()


def fit(
    recipe: Recipe, faces: MarkedFaces, out: Path, init: Path | None = None, covers: Covers | None = None
) -> bool:
    """Train on ``faces``, some under ``covers``, in the folder ``out``; whether the last step was taken.

    ``init``: a landmarks.pt to start from. A checkpoint that is there is continued; SIGINT and SIGTERM write
    one and return. The averaged weights go to landmarks.pt at the end. Raises DataInvalid, RecipeInvalid,
    UsageError (another run is in the folder) and ToolchainError (the loss diverged).
    """
    make_folder(out)
    torch.manual_seed(recipe.learn.seed)
    network = LandmarkNetwork(recipe.network, plain(faces).points.mean(0)).to(
        memory_format=torch.channels_last
    )
    if init:
        load_state(network, read(init, ("model",))["model"], init)
    arrays = [getattr(faces, name) for name in marked.ARRAYS]
    arrays += [covers.opaque, covers.texture] if covers else []
    start = digest_of(init) if init else ""
    with alone(out):
        run = Stepwise(recipe.text, recipe.learn, network, out, digest_of_arrays(arrays), start)
        return run.run(lambda step: _loss(recipe, faces, covers, network, step), LEARNT)


def load_learnt(path: Path) -> Learnt:
    """The network of a run's folder or of its landmarks.pt. Raises DataInvalid and RecipeInvalid."""
    return Learnt(*stepwise.load_learnt(path, LEARNT, parse, lambda recipe: LandmarkNetwork(recipe.network)))


def _loss(
    recipe: Recipe, faces: MarkedFaces, covers: Covers | None, network: LandmarkNetwork, step: int
) -> torch.Tensor:
    how = recipe.learn
    rng = np.random.default_rng([how.seed, step])
    batch = changed(faces, rng.integers(0, len(faces), how.batch_size), recipe.change, rng, covers)
    pictures = torch.from_numpy((batch.pictures - recipe.mean) / recipe.std)
    with torch.autocast("cpu", torch.bfloat16, enabled=how.autocast == "bfloat16"):
        fine, coarse = network.maps(pictures.to(memory_format=torch.channels_last))
    # A point in bfloat16 would be known to a tenth of a pixel.
    return loss(network.answers(fine.float(), coarse.float()), batch, how)
