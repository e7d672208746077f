"""Which faces a step learns from, and what is done to them: a function of the step's number alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from edge.errors import DataInvalid, RecipeInvalid
from faces.face_set import FaceSet
from train import lessons
from train.augment import augment, cutmix, mixup, prepared
from train.recipe import Recipe


class Batch(NamedTuple):
    """What one step learns from.

    ``grey``: changed faces float32 [B, 1, S, S] in grey levels; ``target``: float32 [B, sources * 7];
    ``taught``: what teachers say of the unchanged faces, float32 [B, 7], or [B, 0] where nobody was asked.
    """

    grey: torch.Tensor
    target: torch.Tensor
    taught: torch.Tensor


class Batches:
    """The batches of a run over ``train`` and, where the recipe wants one, a ``second`` data set.

    Faces are counted through both, those of ``train`` first. Raises DataInvalid where there is not even one
    batch, and RecipeInvalid. ``taught`` may be set to the teachers' answers, float32 [N, 7]: they are then
    mixed as labels are; a recipe that keeps priors apart has them in its lessons instead (``teach``).
    """

    def __init__(self, recipe: Recipe, train: FaceSet, second: FaceSet | None = None) -> None:
        how = recipe.train
        if len(train) < how.batch_size:
            raise DataInvalid(f"{train.name} has {len(train)} faces, fewer than a batch of {how.batch_size}")
        if how.sizes and how.sizes[-1] != recipe.model.input_size:
            raise RecipeInvalid(
                f"recipe '{recipe.name}': train.sizes ends with {how.sizes[-1]}, "
                f"and must end with model.input_size {recipe.model.input_size}"
            )
        self.recipe, self._train, self._second = recipe, train, second
        self.others = round(how.batch_size * recipe.data.second_share) if second else 0
        self.per_epoch = len(train) // (how.batch_size - self.others)
        self.total = self.per_epoch * how.epochs
        self._faces = torch.from_numpy(train.faces)
        self.taught = torch.empty(len(train), 0)
        self._chances = class_chances(train.labels, how.class_balance)
        self.teach(None)

    @property
    def count(self) -> int:
        """Faces of both data sets."""
        return len(self._train) + (len(self._second) if self._second else 0)

    def teach(self, taught: npt.NDArray[np.float32] | None) -> None:
        """Make the lessons, with what teachers say of all faces [N, 7] where they were asked.

        Faces of the second data set that are not believed are drawn no more.
        """
        self._drawn: npt.NDArray[np.float64] | None = None
        if self._second:
            good = lessons.believed(self._second, None if taught is None else taught[len(self._train) :])
            chances = class_chances(self._second.labels[good], self.recipe.data.second_balance)
            self._drawn = np.zeros(len(self._second))
            self._drawn[good] = 1 / good.sum() if chances is None else chances
        self.lessons = (
            lessons.apart(self.recipe, self._train, self._second, self._drawn, taught)
            if self.recipe.data.balanced
            else lessons.as_they_come(self.recipe, self._train)
        )
        self._targets = self.lessons.targets

    def chosen(self, step: int) -> npt.NDArray[np.int64]:
        """The faces of ``step``: each of ``train`` once an epoch, those of the second set drawn."""
        epoch, index = divmod(step, self.per_epoch)
        own = self.recipe.train.batch_size - self.others
        first = self._order(epoch)[index * own : (index + 1) * own]
        if not self._second:
            return first
        rng = np.random.default_rng([self.recipe.train.seed, epoch, index])
        drawn = rng.choice(len(self._second), self.others, p=self._drawn)
        return np.concatenate([first, len(self._train) + drawn])

    def pictures(self, indices: npt.NDArray[np.int64], size: int, salt: Sequence[int] = ()) -> torch.Tensor:
        """The faces changed as the recipe says, float32 [B, 1, size, size]; ``salt`` seeds the changes."""
        if salt:
            torch.manual_seed(int(np.random.default_rng([self.recipe.train.seed, *salt]).integers(2**31)))
        own, changes = indices < len(self._train), self.recipe.augment
        parts = [augment(self._faces[torch.from_numpy(indices[own])], size, changes)] if own.any() else []
        if self._second and not own.all():
            others = torch.from_numpy(self._second.faces[indices[~own] - len(self._train)])
            parts.append(augment(others, size, changes))
        return prepared(torch.cat(parts), self.recipe.data.prepare)

    def target(self, indices: npt.NDArray[np.int64]) -> torch.Tensor:
        """What the faces teach, [B, sources * 7]."""
        return self._targets[torch.from_numpy(indices)]

    def at(self, step: int) -> Batch:
        """The batch that belongs to ``step``, for which torch is seeded."""
        changes, indices = self.recipe.augment, self.chosen(step)
        torch.manual_seed(self.recipe.train.seed * 1_000_003 + step)
        x = self.pictures(indices, self.size(step // self.per_epoch))
        known = torch.from_numpy(indices)
        taught = self.taught[known] if self.taught.numel() else torch.empty(len(known), 0)
        y = torch.cat([self._targets[known], taught], 1)
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
        count = self.per_epoch * (self.recipe.train.batch_size - self.others)
        return np.asarray(rng.choice(len(self._faces), count, p=self._chances), np.int64)


def class_chances(labels: npt.NDArray[np.int64], balance: float) -> npt.NDArray[np.float64] | None:
    """Each face's chance of being drawn, float64 [N]; None where ``balance`` is 0 and all are alike.

    A class of n faces is drawn in proportion to n ** (1 - balance): 1 shows all classes equally often.
    """
    if balance == 0:
        return None
    counts = np.bincount(labels).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -balance, 0)[labels]
    chances: npt.NDArray[np.float64] = weights / weights.sum()
    return chances
