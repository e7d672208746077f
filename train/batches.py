"""Which faces a step learns from, and what is done to them: a function of the step's number alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from edge.errors import DataInvalid, RecipeInvalid
from faces.face_set import LABELS, FaceSet
from train.augment import augment, cutmix, mixup
from train.recipe import Recipe


class Batch(NamedTuple):
    """What one step learns from.

    ``grey``: changed faces float32 [B, 1, S, S] in grey levels; ``target``: float32 [B, 7]; ``taught``: what
    teachers say of the unchanged faces, float32 [B, 7], or [B, 0] where nobody was asked.
    """

    grey: torch.Tensor
    target: torch.Tensor
    taught: torch.Tensor


class Batches:
    """The batches of a run over ``train``. Raises DataInvalid where there is not even one.

    ``taught`` may be set to the teachers' answers, float32 [N, 7]: they are then mixed as labels are.
    """

    def __init__(self, recipe: Recipe, train: FaceSet) -> None:
        how = recipe.train
        if len(train) < how.batch_size:
            raise DataInvalid(f"{train.name} has {len(train)} faces, fewer than a batch of {how.batch_size}")
        if how.sizes and how.sizes[-1] != recipe.model.input_size:
            raise RecipeInvalid(
                f"recipe '{recipe.name}': train.sizes ends with {how.sizes[-1]}, "
                f"and must end with model.input_size {recipe.model.input_size}"
            )
        self.recipe = recipe
        self.per_epoch = len(train) // how.batch_size
        self.total = self.per_epoch * how.epochs
        self._faces = torch.from_numpy(train.faces)
        self._targets = torch.from_numpy(train.targets(recipe.data.votes_weight, how.label_smoothing))
        self.taught = torch.empty(len(train), 0)
        self._chances = class_chances(train.labels, how.class_balance)

    def at(self, step: int) -> Batch:
        """The batch that belongs to ``step``, for which torch is seeded."""
        how, changes = self.recipe.train, self.recipe.augment
        epoch, index = divmod(step, self.per_epoch)
        order = self._order(epoch)
        chosen = torch.from_numpy(order[index * how.batch_size : (index + 1) * how.batch_size])
        torch.manual_seed(how.seed * 1_000_003 + step)
        x = augment(self._faces[chosen], self.size(epoch), changes)
        y = torch.cat([self._targets[chosen], self.taught[chosen]], 1)
        # Drawn only where there is a choice, so that recipes of before cutmix see the same faces as ever.
        if changes.cutmix and (not changes.mixup or torch.rand(()) < 0.5):
            x, y = cutmix(x, y, changes.cutmix)
        else:
            x, y = mixup(x, y, changes.mixup)
        return Batch(x, *y.tensor_split([self._targets.shape[1]], dim=1))

    def size(self, epoch: int) -> int:
        """Side of the pictures in ``epoch``: the recipe's sizes take equal parts of the run."""
        how = self.recipe.train
        if not how.sizes:
            return self.recipe.model.input_size
        return how.sizes[min(len(how.sizes) - 1, epoch * len(how.sizes) // how.epochs)]

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng([self.recipe.train.seed, epoch])
        if self._chances is None:
            return rng.permutation(len(self._faces))
        count = self.per_epoch * self.recipe.train.batch_size
        return np.asarray(rng.choice(len(self._faces), count, p=self._chances), np.int64)


def class_chances(labels: npt.NDArray[np.int64], balance: float) -> npt.NDArray[np.float64] | None:
    """Each face's chance of being drawn, float64 [N]; None where ``balance`` is 0 and all are alike.

    A class of n faces is drawn in proportion to n ** (1 - balance): 1 shows all classes equally often.
    """
    if balance == 0:
        return None
    counts = np.bincount(labels, minlength=len(LABELS)).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -balance, 0)[labels]
    chances: npt.NDArray[np.float64] = weights / weights.sum()
    return chances
