"""The training loop: stop it whenever you like, start it again, get the very same weights.

Every random draw of step ``k`` is seeded from ``(recipe.seed, k)`` alone, so a checkpoint needs no
generator state: weights, optimiser, averaged weights and the step number are all there is.
"""

from __future__ import annotations

import copy
import csv
import math
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from edge.errors import DataInvalid, RecipeInvalid
from edge.progress import Progress
from train import backbones
from train.augment import augment, mixup
from train.data import LABELS, FaceSet
from train.recipe import Recipe, TrainRecipe

CHECKPOINT, BEST, HISTORY = "checkpoint.pt", "best.pt", "history.csv"
COLUMNS = ("epoch", "lr", "train_loss", "public_accuracy", "public_macro_f1", "seconds")


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its best public-test accuracy (0-1), and whether it reached its last epoch."""

    best_accuracy: float
    finished: bool


def fit(recipe: Recipe, train: FaceSet, public: FaceSet, out: Path, threads: int = 0) -> Outcome:
    """Train ``recipe`` on ``train``, choosing weights by accuracy on ``public``.

    ``out`` receives checkpoint.pt (to go on from), best.pt (float32 weights of the best epoch) and
    history.csv. A checkpoint that is there is continued; SIGINT and SIGTERM write one and return.
    Raises DataInvalid and RecipeInvalid.
    """
    if len(train) < recipe.train.batch_size:
        raise DataInvalid(f"{train.name} has {len(train)} faces, fewer than a batch of {recipe.train.batch_size}")
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(recipe, train, out)
    run.resume()
    run.train_until_stopped(public)
    return Outcome(run.best, run.step >= run.total)


def build_model(recipe: Recipe) -> nn.Module:
    """The recipe's network with weights drawn from its seed."""
    torch.manual_seed(recipe.train.seed)
    model = recipe.model
    return backbones.build(model.backbone, len(LABELS), model.width, model.strides, model.dropout)


def load_weights(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """A best.pt's state dict and the text of the recipe that made it. Raises DataInvalid."""
    try:
        saved = torch.load(path, weights_only=True)
        return saved["model"], saved["recipe"]
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise DataInvalid(f"'{path}' is not a ferlite checkpoint: {error}") from error


def predict(
    model: nn.Module, faces: np.ndarray[Any, np.dtype[np.uint8]], recipe: Recipe, batch: int = 256
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Logits float32 [N, 7] of uint8 grey faces [N, H, W], through the runtime's own preprocessing."""
    from edge.classify import to_input
    from edge.bundle import InputSpec

    how = InputSpec(recipe.model.input_size, "grey", (recipe.data.mean,), (recipe.data.std,))
    model.eval()
    with torch.no_grad():
        parts = [
            model(torch.from_numpy(to_input(list(faces[i : i + batch]), how))).numpy()
            for i in range(0, len(faces), batch)
        ]
    return np.concatenate(parts)


class _Run:
    """One run's moving parts."""

    def __init__(self, recipe: Recipe, train: FaceSet, out: Path) -> None:
        self.recipe, self.train, self.out = recipe, train, out
        self.model = build_model(recipe).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.model)
        self.optimizer = _optimizer(self.model, recipe.train)
        self.per_epoch = len(train) // recipe.train.batch_size
        self.total = self.per_epoch * recipe.train.epochs
        self.step, self.best = 0, 0.0
        self.loss_sum, self.loss_count, self.seconds = 0.0, 0, 0.0
        self.history: list[dict[str, str]] = []
        self.faces = torch.from_numpy(train.faces)
        self.targets = torch.from_numpy(
            train.targets(recipe.data.votes_weight, recipe.train.label_smoothing)
        )

    def resume(self) -> None:
        path = self.out / CHECKPOINT
        if not path.exists():
            return
        saved = torch.load(path, weights_only=True)
        if saved["recipe"] != self.recipe.text:
            raise RecipeInvalid(
                f"'{path}' was made by another recipe: give another --out, or the recipe it was started with"
            )
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        for name in ("step", "best", "loss_sum", "loss_count", "seconds", "history"):
            setattr(self, name, saved[name])

    def save(self) -> None:
        names = ("step", "best", "loss_sum", "loss_count", "seconds", "history")
        state = {name: getattr(self, name) for name in names}
        state |= {
            "recipe": self.recipe.text,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        _write(state, self.out / CHECKPOINT)

    def train_until_stopped(self, public: FaceSet) -> None:
        stop = _StopSignal()
        saved_at = time.monotonic()
        with stop, Progress("training", self.total, "step", start=self.step) as progress:
            while self.step < self.total:
                began = time.monotonic()
                loss = self.one_step()
                self.step += 1
                self.loss_sum, self.loss_count = self.loss_sum + loss, self.loss_count + 1
                self.seconds += time.monotonic() - began
                epoch_ended = self.step % self.per_epoch == 0
                if epoch_ended:
                    self.end_epoch(public)
                best = f"best {self.best:.2%}" if self.best else ""
                progress.advance(note=f"loss {self.loss_sum / max(1, self.loss_count):.3f} {best}")
                if epoch_ended or stop.asked or time.monotonic() - saved_at > 300:
                    self.save()
                    saved_at = time.monotonic()
                if stop.asked:
                    return

    def one_step(self) -> float:
        how = self.recipe.train
        epoch, index = divmod(self.step, self.per_epoch)
        order = np.random.default_rng([how.seed, epoch]).permutation(len(self.faces))
        chosen = torch.from_numpy(order[index * how.batch_size : (index + 1) * how.batch_size])
        torch.manual_seed(how.seed * 1_000_003 + self.step)
        x = augment(self.faces[chosen], self.recipe.model.input_size, self.recipe.augment)
        x, y = mixup(x, self.targets[chosen], self.recipe.augment.mixup)
        x = (x - self.recipe.data.mean) / self.recipe.data.std
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(how, self.step, self.per_epoch, self.total)
        self.model.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=how.autocast == "bfloat16"):
            logits = self.model(x.to(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.update_average()
        return float(loss.detach())

    def update_average(self) -> None:
        # Early on the average follows closely: an average of the random start helps nobody.
        decay = min(self.recipe.train.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(
                self.average.state_dict().values(), self.model.state_dict().values(), strict=True
            ):
                if mean.is_floating_point():
                    mean.lerp_(now, 1 - decay)
                else:
                    mean.copy_(now)

    def end_epoch(self, public: FaceSet) -> None:
        from train.evaluate import accuracy, macro_f1

        predicted = predict(self.average, public.faces, self.recipe).argmax(1)
        score = accuracy(predicted, public.labels)
        row = {
            "epoch": str(self.step // self.per_epoch),
            "lr": f"{self.optimizer.param_groups[0]['lr']:.6f}",
            "train_loss": f"{self.loss_sum / self.loss_count:.4f}",
            "public_accuracy": f"{score:.4f}",
            "public_macro_f1": f"{macro_f1(predicted, public.labels):.4f}",
            "seconds": f"{self.seconds:.1f}",
        }
        self.history.append(row)
        self.loss_sum, self.loss_count, self.seconds = 0.0, 0, 0.0
        if score > self.best:
            self.best = score
            _write({"recipe": self.recipe.text, "model": self.average.state_dict()}, self.out / BEST)
        with (self.out / HISTORY).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.history)


def learning_rate(how: TrainRecipe, step: int, per_epoch: int, total: int) -> float:
    """Linear warm-up over ``warmup_epochs``, then a half cosine from ``lr`` to 0 at step ``total``."""
    warmup = how.warmup_epochs * per_epoch
    if step < warmup:
        return how.lr * (step + 1) / warmup
    return how.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def _optimizer(model: nn.Module, how: TrainRecipe) -> torch.optim.Optimizer:
    """Biases, normalisation and depthwise filters are not decayed: they have too few weights to overfit."""
    decayed, free = [], []
    for parameter in model.parameters():
        (decayed if parameter.ndim > 1 and parameter.shape[1] > 1 else free).append(parameter)
    groups = [{"params": decayed, "weight_decay": how.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if how.optimizer == "sgd":
        return torch.optim.SGD(groups, how.lr, momentum=how.momentum, nesterov=True)
    if how.optimizer == "adamw":
        return torch.optim.AdamW(groups, how.lr)
    raise RecipeInvalid(f"unknown optimizer '{how.optimizer}': choose sgd, adamw")


def _write(state: dict[str, Any], path: Path) -> None:
    """Save beside, then rename: a run killed while it writes keeps its last checkpoint."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


class _StopSignal:
    """Turns SIGINT and SIGTERM into a wish that the loop can grant after its step."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
