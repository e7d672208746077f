"""What each face teaches: its labels, each source's under the prior that this source has.

A network that is trained on labels as they come learns how common they are along with what they look like.
Balanced softmax (Ren et al., NeurIPS 2020) tells it the former and leaves it the latter: the cross-entropy
of softmax(logits + log prior), with the prior of whoever labelled. At run time any prior can be put in its
place. Several sources can then teach at once, though they disagree about how common "fear" is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from faces.face_set import FaceSet
from faces.labels import EXPRESSIONS
from train.recipe import Recipe

Floats = npt.NDArray[np.float32]
# Labels of the second data set that are believed as they stand; others only where the teachers say the same.
TRUSTED = tuple(EXPRESSIONS.index(label) for label in ("happiness", "surprise", "neutral"))
# FER2013's labels, FER+'s votes, the second data set's labels, the teachers.
SOURCES = 4


class Lessons(NamedTuple):
    """What every face teaches.

    ``targets`` float32 [N, sources * 7], each source's row summing to its weight; ``log_priors`` [sources,
    7]. Labels as they come are one source. ``focal``: how much less what is already known teaches, the
    exponent of Lin et al. (ICCV 2017), 0: not at all.
    """

    targets: torch.Tensor
    log_priors: torch.Tensor
    focal: float = 0.0

    def loss(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean over faces of all cross-entropies: ``logits`` [B, 7], ``target`` [B, sources * 7]."""
        sources = len(self.log_priors)
        if sources == 1 and not self.focal:
            return F.cross_entropy(logits, target)
        under = F.log_softmax(logits.unsqueeze(1) + self.log_priors.to(logits.device), 2)
        if self.focal:
            under = under * (1 - under.exp()) ** self.focal
        return -(target.view(-1, sources, logits.shape[1]) * under).sum((1, 2)).mean()


def as_they_come(recipe: Recipe, train: FaceSet) -> Lessons:
    """One target a face, the label mixed with the votes."""
    targets = train.targets(recipe.data.votes_weight, recipe.train.label_smoothing)
    return Lessons(torch.from_numpy(targets), torch.zeros(1, len(train.classes)), recipe.train.focal)


def apart(
    recipe: Recipe,
    train: FaceSet,
    second: FaceSet | None = None,
    chances: npt.NDArray[np.float64] | None = None,
    taught: Floats | None = None,
) -> Lessons:
    """Each source's labels apart, faces of ``second`` after those of ``train``.

    ``chances`` [M] is how often each face of ``second`` is drawn; ``taught`` [N + M, 7] what the teachers
    say, with their own priors taken out (``without_prior``), which counts ``distill_weight``, but where it is
    NaN: there nobody was asked, and labels count alone.
    """
    others, classes = len(second) if second else 0, len(train.classes)
    targets = np.zeros((len(train) + others, SOURCES, classes), np.float32)
    own = np.bincount(train.labels, minlength=classes).astype(np.float64) / len(train)
    voted = train.votes.sum(1) > 0
    crowd = train.votes[voted].mean(0) if voted.any() else own
    weight = np.zeros((len(targets), 1), np.float32)
    if taught is not None:
        weight[answered(taught)] = recipe.train.distill_weight
    first, others_weight = weight[: len(train)], weight[len(train) :]
    share = np.where(voted, recipe.data.votes_weight, 0.0)[:, None]
    targets[: len(train), 0] = (1 - first) * (1 - share) * _smoothed(recipe, train.labels, own)
    targets[: len(train), 1] = (1 - first) * share * train.votes
    drawn: npt.NDArray[np.float64] = np.full(classes, 1 / classes)
    if second:
        drawn = np.asarray(np.bincount(second.labels, chances, minlength=classes), np.float64)
        targets[len(train) :, 2] = (1 - others_weight) * _smoothed(recipe, second.labels, drawn)
    if taught is not None:
        targets[:, 3] = weight * np.nan_to_num(taught)
    priors = np.stack([own, crowd, drawn, np.full(classes, 1 / classes)])
    # A label that a source never gives must not have a logarithm of nothing.
    log_priors = torch.from_numpy(np.log(np.maximum(priors, 1e-3))).float()
    return Lessons(torch.from_numpy(targets.reshape(len(targets), -1)), log_priors, recipe.train.focal)


def _smoothed(recipe: Recipe, labels: npt.NDArray[np.int64], prior: npt.NDArray[np.floating]) -> Floats:
    smoothing = recipe.train.label_smoothing
    hard = np.eye(len(prior))[labels]
    return np.asarray(hard * (1 - smoothing) + smoothing * prior, np.float32)


def without_prior(
    answers: npt.NDArray[np.floating], mean: npt.NDArray[np.floating] | None = None
) -> npt.NDArray[np.float64]:
    """Logarithms [N, 7], zero in the mean, of probabilities ``answers`` [N, 7] over their ``mean``."""
    expected = answers.astype(np.float64).mean(0) if mean is None else mean
    logs = np.log(np.maximum(answers.astype(np.float64), 1e-6)) - np.log(np.maximum(expected, 1e-6))
    centred: npt.NDArray[np.float64] = logs - logs.mean(1, keepdims=True)
    return centred


def agreed(teachers: list[npt.NDArray[np.float64]]) -> Floats:
    """What several teachers say together: the normalised exponential of the mean of ``without_prior``."""
    mean = np.mean(teachers, 0)
    powers = np.exp(mean - mean.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


def answered(taught: Floats) -> npt.NDArray[np.bool_]:
    """Which faces [N] a teacher was asked about: ``taught`` [N, 7] is NaN elsewhere."""
    return np.asarray(np.isfinite(taught).all(1))


def believed(second: FaceSet, taught: Floats | None) -> npt.NDArray[np.bool_]:
    """Which faces [M] of a second data set to learn from: those it is sure of, and see ``TRUSTED``."""
    trusted: npt.NDArray[np.bool_] = np.isin(second.labels, TRUSTED)
    if second.sure is not None:
        trusted |= second.sure
    if taught is None:
        return trusted
    same = np.nan_to_num(taught).argmax(1) == second.labels
    return np.asarray(trusted | (answered(taught) & same))
