"""The lower part of a network left as it is: what it makes of the faces is computed once, not at every step.

Fine-tuning only what lies above costs a fraction of a whole step, and keeps filters that took many epochs.
Each face is changed ``views`` times and its maps are kept as float16; epochs take the views in turn.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge import engine as engines
from edge.commands.progress import Progress
from edge.engine import EngineOptions, ModelFile
from edge.errors import RecipeInvalid
from edge.files import whole
from train.batches import Batches
from train.digests import digest_of_arrays
from train.onnx_export import to_model
from train.recipe import Recipe

CHUNK = 64
DIGITS = 12  # of the digest that maps are called by


def split(model: nn.Module, recipe: Recipe) -> tuple[nn.Sequential, nn.Module]:
    """The ``frozen`` first parts of the network's features, and the network without them.

    Raises RecipeInvalid where it has not so many.
    """
    features, frozen = model.features, recipe.train.frozen
    if not isinstance(features, nn.Sequential) or frozen >= len(features):
        raise RecipeInvalid(
            f"recipe '{recipe.name}': train.frozen is {frozen}, and must be under {len(list(features))}"
        )
    return features[:frozen].eval().requires_grad_(False), Above(features[frozen:], model.classifier)


class Above(nn.Module):
    """The rest of a network, maps [N, C, H, W] to logits; its parameters are the network's own."""

    def __init__(self, features: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.features, self.classifier = features, classifier

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Logits of ``maps``."""
        logits: torch.Tensor = self.classifier(self.features(maps).mean((2, 3)))
        return logits


class Maps:
    """The maps of every face's changed views, kept in ``out`` so that a stopped run goes on with them.

    ``data`` is the digest of the faces: of another network, recipe or data, maps are made anew.
    """

    def __init__(self, below: nn.Sequential, batches: Batches, out: Path, data: str) -> None:
        self.recipe, self._batches = batches.recipe, batches
        weights = [each.cpu().numpy() for each in below.state_dict().values()]
        self._made_of = digest_of_arrays([np.array([self.recipe.text, data]), *weights])[:DIGITS]
        size = self.recipe.model.input_size
        # ONNX Runtime gives these maps several times as fast as torch does on a CPU. The network itself may
        # be on another device, and stays there.
        alone = copy.deepcopy(below).cpu()
        model = to_model(alone, torch.zeros(2, 1, size, size), "lower part").SerializeToString()
        options = EngineOptions(threads=torch.get_num_threads())
        self._engine = engines.load("onnx", ModelFile("lower part", {".onnx": model}), options)
        self._views = [self._view(number, out) for number in range(self.recipe.train.views)]
        self._engine.close()

    def at(self, indices: npt.NDArray[np.int64], epoch: int) -> torch.Tensor:
        """Float32 [B, C, H, W] of the faces at ``indices``: another view in the next epoch."""
        which = (epoch + indices) % len(self._views)
        chosen = np.stack([self._views[view][index] for view, index in zip(which, indices, strict=True)])
        return torch.from_numpy(chosen.astype(np.float32))

    def _view(self, number: int, out: Path) -> npt.NDArray[np.float16]:
        path = out / f"maps-{number}-{self._made_of}.npy"
        if not path.exists():
            for other in out.glob(f"maps-{number}*.npy"):
                other.unlink()
            with whole(path, keep_suffix=True) as part:
                np.save(part, self._made(number))
        kept: npt.NDArray[np.float16] = np.load(path, mmap_mode="r")
        return kept

    def _made(self, number: int) -> npt.NDArray[np.float16]:
        how, parts = self.recipe.data, []
        with Progress(f"view {number + 1} of every face", self._batches.count, "faces") as progress:
            for start in range(0, self._batches.count, CHUNK):
                those = np.arange(start, min(start + CHUNK, self._batches.count))
                grey = self._batches.pictures(those, self.recipe.model.input_size, (number, start))
                maps = self._engine.run([((grey - how.mean) / how.std).numpy()])[0]
                parts.append(maps.astype(np.float16))
                progress.advance(len(those))
        return np.concatenate(parts)
