"""Training by numbered steps: stop it whenever you like, start it again, get the very same weights.

Every draw of step ``k`` is seeded from ``(seed, k)`` alone, so a checkpoint is weights, optimiser, averaged
weights and the step. For networks that learn from what is made on the spot; ``train.loop`` has epochs.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from edge.commands.progress import Progress
from edge.errors import DataInvalid, RecipeInvalid, ToolchainError
from train.checkpoint import load_state, read, write
from train.optimise import follow
from train.recipe_base import StepsRecipe
from train.stop import StopSignal

R = TypeVar("R")
N = TypeVar("N", bound=nn.Module)
CHECKPOINT = "checkpoint.pt"
SAVE_EVERY = 60.0  # seconds


def learning_rate(how: StepsRecipe, step: int) -> float:
    """Of ``step``: linear over the warm-up, then a half cosine to zero."""
    if step < how.warmup_steps:
        return how.lr * (step + 1) / how.warmup_steps
    done = (step - how.warmup_steps) / max(1, how.steps - how.warmup_steps)
    return how.lr * 0.5 * (1 + math.cos(math.pi * done))


class Stepwise:
    """A run of ``network`` in the folder ``out``, by the recipe's ``text`` and its section ``how``.

    ``data`` and ``init`` are digests of what it learns from and of the weights that it started with ("":
    none). A checkpoint that is there is continued. One at a time may run in a folder (``train.lock``).
    Raises DataInvalid and RecipeInvalid.
    """

    def __init__(
        self, text: str, how: StepsRecipe, network: nn.Module, out: Path, data: str, init: str = ""
    ) -> None:
        self.text, self.how, self.network, self.out = text, how, network, out
        self.data, self.init = data, init
        self.average = copy.deepcopy(network)
        self.optimizer = torch.optim.AdamW(network.parameters(), how.lr, weight_decay=how.weight_decay)
        self.step = 0
        self._resume()

    def run(self, loss_of: Callable[[int], torch.Tensor], learnt: str, name: str = "training") -> bool:
        """Take the steps that are left, each by its loss; whether the last one was taken.

        SIGINT and SIGTERM write a checkpoint and return. The averaged weights go to the file ``learnt`` at
        the end. Raises ToolchainError (the loss diverged) and StorageFailed.
        """
        how = self.how
        if self.step == how.steps and (self.out / learnt).is_file():
            return True
        saved_at, running = time.monotonic(), math.nan
        with StopSignal() as stop, Progress(name, how.steps, "step", start=self.step) as progress:
            while self.step < how.steps and not stop.asked:
                value = self._take(loss_of)
                running = value if math.isnan(running) else 0.99 * running + 0.01 * value
                progress.advance(note=f"loss {running:.3f}")
                if time.monotonic() - saved_at > SAVE_EVERY:
                    self._save()
                    saved_at = time.monotonic()
        self._save()
        if self.step == how.steps:
            write({"recipe": self.text, "model": self.average.state_dict()}, self.out / learnt)
        return self.step == how.steps

    def _take(self, loss_of: Callable[[int], torch.Tensor]) -> float:
        step = self.step
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.how, step)
        self.network.train()
        loss = loss_of(step)
        if not torch.isfinite(loss):
            raise ToolchainError(
                f"the loss is not a finite number at step {step}: lower learn.lr in the recipe"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        follow(self.average, self.network, self.how.ema, step)
        self.step += 1
        return float(loss.detach())

    def _save(self) -> None:
        state = {"recipe": self.text, "data": self.data, "init": self.init, "step": self.step}
        state |= {"model": self.network.state_dict()}
        state |= {"average": self.average.state_dict(), "optimizer": self.optimizer.state_dict()}
        write(state, self.out / CHECKPOINT)

    def _resume(self) -> None:
        path = self.out / CHECKPOINT
        if not path.exists():
            return
        saved = read(path, ("recipe", "step", "model", "average", "optimizer"))
        if saved["recipe"] != self.text:
            raise RecipeInvalid(f"'{path}' was made by another recipe: give another --out, or that recipe")
        # Checkpoints of before these keys were written go on unchecked.
        if saved.get("data", self.data) != self.data:
            raise DataInvalid(f"'{path}' has learnt from other data: give another --out, or that data")
        if saved.get("init", self.init) != self.init:
            raise DataInvalid(f"'{path}' started from other weights: give another --out, or the same --init")
        load_state(self.network, saved["model"], path)
        load_state(self.average, saved["average"], path)
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step = int(saved["step"])


def load_learnt(
    path: Path, learnt: str, parse: Callable[[str, str], R], make: Callable[[R], N]
) -> tuple[N, R]:
    """The averaged network of a run's folder, or of its file ``learnt``, and the recipe that is in it.

    Raises DataInvalid and RecipeInvalid.
    """
    file = path / learnt if path.is_dir() else path
    saved = read(file, ("recipe", "model"))
    recipe = parse(saved["recipe"], f"in {file}")
    network = make(recipe)
    load_state(network, saved["model"], file)
    return network.eval(), recipe
