"""Training the voice network, by numbered steps (``train.stepwise``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from edge.errors import DataInvalid
from train import stepwise
from train.checkpoint import make_folder
from train.digests import digest_of_arrays
from train.lock import alone
from train.stepwise import Stepwise
from train.voice.change import changed
from train.voice.network import VoiceNetwork
from train.voice.recipe import Recipe, parse
from train.voice.voice_set import CLASSES, VoiceSet

LEARNT = "voice.pt"


@dataclass(frozen=True)
class Learnt:
    """A trained voice network, in evaluation mode."""

    network: VoiceNetwork
    recipe: Recipe

    def ask(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits float32 [N, labels] of windows uint8 [N, 40, 96]."""
        x = (pictures[:, None].astype(np.float32) - self.recipe.mean) / self.recipe.std
        with torch.no_grad():
            logits: npt.NDArray[np.float32] = self.network(torch.from_numpy(x)).numpy()
        return logits


def fit(recipe: Recipe, voices: VoiceSet, out: Path, name: str = "training") -> bool:
    """Train on ``voices`` in the folder ``out``; whether the last step was taken.

    A checkpoint that is there is continued; SIGINT and SIGTERM write one and return. The averaged weights
    go to voice.pt at the end. Raises DataInvalid, RecipeInvalid, UsageError (another run is in the folder)
    and ToolchainError (the loss diverged).
    """
    make_folder(out)
    torch.manual_seed(recipe.learn.seed)
    network = VoiceNetwork(recipe.network, len(CLASSES)).to(memory_format=torch.channels_last)
    classes = _classes(voices)
    data = digest_of_arrays([*voices.mel, *voices.sound, voices.labels])
    with alone(out):
        run = Stepwise(recipe.text, recipe.learn, network, out, data)
        return run.run(lambda step: _loss(recipe, voices, classes, network, step), LEARNT, name)


def load_learnt(path: Path) -> Learnt:
    """The network of a run's folder or of its voice.pt. Raises DataInvalid and RecipeInvalid."""
    return Learnt(
        *stepwise.load_learnt(path, LEARNT, parse, lambda recipe: VoiceNetwork(recipe.network, len(CLASSES)))
    )


def _classes(voices: VoiceSet) -> list[npt.NDArray[np.int64]]:
    """The utterances of each label. Raises DataInvalid where one has none."""
    found = [np.flatnonzero(voices.labels == label) for label in range(len(CLASSES))]
    for name, those in zip(CLASSES, found, strict=True):
        if not len(those):
            raise DataInvalid(f"'{voices.name}' has no utterance of {name} to learn from")
    return found


def _loss(
    recipe: Recipe,
    voices: VoiceSet,
    classes: list[npt.NDArray[np.int64]],
    network: VoiceNetwork,
    step: int,
) -> torch.Tensor:
    how = recipe.learn
    rng = np.random.default_rng([how.seed, step])
    torch.manual_seed(how.seed * 1_000_003 + step)  # dropout's
    # Labels alike often: EmoDB has three times as many of anger as of disgust.
    labels = rng.integers(0, len(CLASSES), how.batch_size)
    which = np.array([rng.choice(classes[label]) for label in labels])
    levels = changed(voices, which, recipe.change, rng)
    x = ((levels - recipe.mean) / recipe.std).to(memory_format=torch.channels_last)
    return F.cross_entropy(network(x), torch.from_numpy(labels), label_smoothing=how.smoothing)
