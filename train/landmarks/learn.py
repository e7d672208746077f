"""Training the landmark network: stop it whenever you like, start it again, get the very same weights.

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
from torch import nn

from edge.commands.progress import Progress
from edge.errors import RecipeInvalid, ToolchainError
from train.checkpoint import load_state, read, write
from train.landmarks.change import changed, plain
from train.landmarks.covers import Covers
from train.landmarks.losses import loss
from train.landmarks.marked import MarkedFaces
from train.landmarks.network import LandmarkNetwork
from train.landmarks.recipe import Recipe, parse
from train.stop import StopSignal

CHECKPOINT, LEARNT = "checkpoint.pt", "landmarks.pt"
SAVE_EVERY = 120.0  # seconds


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
    one and return. The averaged weights go to landmarks.pt at the end. Raises DataInvalid, RecipeInvalid and
    ToolchainError (the loss diverged).
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolchainError(f"'{out}' cannot be made a folder: {error.strerror}") from error
    how = recipe.learn
    torch.manual_seed(how.seed)
    network = LandmarkNetwork(recipe.network, plain(faces).points.mean(0)).to(
        memory_format=torch.channels_last
    )
    if init:
        load_state(network, read(init, ("model",))["model"], init)
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), how.lr, weight_decay=how.weight_decay)
    step = _resume(recipe, network, average, optimizer, out / CHECKPOINT)
    saved_at, running = time.monotonic(), math.nan
    with StopSignal() as stop, Progress("training", how.steps, "step", start=step) as progress:
        while step < how.steps and not stop.asked:
            value = _one_step(recipe, faces, covers, network, optimizer, step)
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


def learning_rate(recipe: Recipe, step: int) -> float:
    """Of ``step``: linear over the warm-up, then a half cosine to zero."""
    how = recipe.learn
    if step < how.warmup_steps:
        return how.lr * (step + 1) / how.warmup_steps
    done = (step - how.warmup_steps) / max(1, how.steps - how.warmup_steps)
    return how.lr * 0.5 * (1 + math.cos(math.pi * done))


def load_learnt(path: Path) -> Learnt:
    """The network of a run's folder or of its landmarks.pt. Raises DataInvalid and RecipeInvalid."""
    file = path / LEARNT if path.is_dir() else path
    saved = read(file, ("recipe", "model"))
    recipe = parse(saved["recipe"], f"in {file}")
    network = LandmarkNetwork(recipe.network)
    load_state(network, saved["model"], file)
    return Learnt(network.eval(), recipe)


def _one_step(
    recipe: Recipe,
    faces: MarkedFaces,
    covers: Covers | None,
    network: LandmarkNetwork,
    optimizer: torch.optim.Optimizer,
    step: int,
) -> float:
    how = recipe.learn
    rng = np.random.default_rng([how.seed, step])
    batch = changed(faces, rng.integers(0, len(faces), how.batch_size), recipe.change, rng, covers)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(recipe, step)
    network.train()
    pictures = torch.from_numpy((batch.pictures - recipe.mean) / recipe.std)
    with torch.autocast("cpu", torch.bfloat16, enabled=how.autocast == "bfloat16"):
        fine, coarse = network.maps(pictures.to(memory_format=torch.channels_last))
    # A point in bfloat16 would be known to a tenth of a pixel.
    off = loss(network.answers(fine.float(), coarse.float()), batch, how)
    if not torch.isfinite(off):
        raise ToolchainError(f"the loss is not a finite number at step {step}: lower learn.lr in the recipe")
    optimizer.zero_grad()
    off.backward()
    optimizer.step()
    return float(off.detach())


def _follow(average: LandmarkNetwork, network: LandmarkNetwork, decay: float) -> None:
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
