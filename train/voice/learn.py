"""Training the voice network: stop it whenever you like, start it again, get the very same weights.

Every draw of step ``k`` is seeded from ``(seed, k)`` alone, so a checkpoint is weights, optimiser, averaged
weights and the step.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from edge.commands.progress import Progress
from edge.errors import DataInvalid, RecipeInvalid, ToolchainError
from train.checkpoint import load_state, read, write
from train.stop import StopSignal
from train.voice.change import changed
from train.voice.network import VoiceNetwork
from train.voice.recipe import Recipe, parse
from train.voice.voice_set import CLASSES, VoiceSet

CHECKPOINT, LEARNT = "checkpoint.pt", "voice.pt"
SAVE_EVERY = 60.0  # seconds


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
    go to voice.pt at the end. Raises DataInvalid, RecipeInvalid and ToolchainError (the loss diverged).
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolchainError(f"'{out}' cannot be made a folder: {error.strerror}") from error
    how = recipe.learn
    torch.manual_seed(how.seed)
    network = VoiceNetwork(recipe.network, len(CLASSES)).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), how.lr, weight_decay=how.weight_decay)
    step = _resume(recipe, network, average, optimizer, out / CHECKPOINT)
    if step == how.steps and (out / LEARNT).is_file():
        return True
    classes = _classes(voices)
    saved_at, running = time.monotonic(), math.nan
    with StopSignal() as stop, Progress(name, how.steps, "step", start=step) as progress:
        while step < how.steps and not stop.asked:
            value = _one_step(recipe, voices, classes, network, optimizer, step)
            _follow(average, network, min(how.ema, (1 + step) / (10 + step)))
            step += 1
            running = value if math.isnan(running) else 0.99 * running + 0.01 * value
            progress.advance(note=f"loss {running:.3f}")
            if time.monotonic() - saved_at > SAVE_EVERY:
                _save(recipe, network, average, optimizer, step, out / CHECKPOINT)
                saved_at = time.monotonic()
    _save(recipe, network, average, optimizer, step, out / CHECKPOINT)
    if step == how.steps:
        write({"recipe": recipe.text, "model": average.state_dict()}, out / LEARNT)
    return step == how.steps


def load_learnt(path: Path) -> Learnt:
    """The network of a run's folder or of its voice.pt. Raises DataInvalid and RecipeInvalid."""
    file = path / LEARNT if path.is_dir() else path
    saved = read(file, ("recipe", "model"))
    recipe = parse(saved["recipe"], f"in {file}")
    network = VoiceNetwork(recipe.network, len(CLASSES))
    load_state(network, saved["model"], file)
    return Learnt(network.eval(), recipe)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Of ``step``: linear over the warm-up, then a half cosine to zero."""
    how = recipe.learn
    if step < how.warmup_steps:
        return how.lr * (step + 1) / how.warmup_steps
    done = (step - how.warmup_steps) / max(1, how.steps - how.warmup_steps)
    return how.lr * 0.5 * (1 + math.cos(math.pi * done))


def _classes(voices: VoiceSet) -> list[npt.NDArray[np.int64]]:
    """The utterances of each label. Raises DataInvalid where one has none."""
    found = [np.flatnonzero(voices.labels == label) for label in range(len(CLASSES))]
    for name, those in zip(CLASSES, found, strict=True):
        if not len(those):
            raise DataInvalid(f"'{voices.name}' has no utterance of {name} to learn from")
    return found


def _one_step(
    recipe: Recipe,
    voices: VoiceSet,
    classes: list[npt.NDArray[np.int64]],
    network: VoiceNetwork,
    optimizer: torch.optim.Optimizer,
    step: int,
) -> float:
    how = recipe.learn
    rng = np.random.default_rng([how.seed, step])
    torch.manual_seed(how.seed * 1_000_003 + step)  # dropout's
    # Labels alike often: EmoDB has three times as many of anger as of disgust.
    labels = rng.integers(0, len(CLASSES), how.batch_size)
    which = np.array([rng.choice(classes[label]) for label in labels])
    levels = changed(voices, which, recipe.change, rng)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(recipe, step)
    network.train()
    x = ((levels - recipe.mean) / recipe.std).to(memory_format=torch.channels_last)
    loss = F.cross_entropy(network(x), torch.from_numpy(labels), label_smoothing=how.smoothing)
    if not torch.isfinite(loss):
        raise ToolchainError(f"the loss is not a finite number at step {step}: lower learn.lr in the recipe")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def _follow(average: VoiceNetwork, network: VoiceNetwork, decay: float) -> None:
    with torch.no_grad():
        for mean, now in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)


def _save(recipe: Recipe, network: Any, average: Any, optimizer: Any, step: int, path: Path) -> None:
    state = {"recipe": recipe.text, "step": step, "model": network.state_dict()}
    write(state | {"average": average.state_dict(), "optimizer": optimizer.state_dict()}, path)


def _resume(recipe: Recipe, network: Any, average: Any, optimizer: Any, path: Path) -> int:
    if not path.exists():
        return 0
    saved = read(path, ("recipe", "step", "model", "average", "optimizer"))
    if saved["recipe"] != recipe.text:
        raise RecipeInvalid(f"'{path}' was made by another recipe: give another --out, or that recipe")
    load_state(network, saved["model"], path)
    load_state(average, saved["average"], path)
    optimizer.load_state_dict(saved["optimizer"])
    return int(saved["step"])
