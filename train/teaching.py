"""Who teaches a run that keeps priors apart, and what its weights are chosen by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from edge.classify import at_size
from edge.errors import UsageError
from faces import readers
from faces.face_set import FaceSet, joined
from faces.metrics import accuracy
from faces.scores import balanced_accuracy
from train.digests import digest_of_arrays
from train.lessons import Lessons, agreed, without_prior
from train.recipe import Recipe
from train.teacher import Teacher


@dataclass(frozen=True)
class SoftLabels:
    """Probabilities of networks that are not here, by their names: float64 [N, 7] of the faces that train,
    [M, 7] of those of the second data set."""

    own: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    second: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """In hex, of all names and probabilities."""
        arrays = [
            array
            for answers in (self.own, self.second)
            for array in (np.array(sorted(answers)), *(answers[name] for name in sorted(answers)))
        ]
        return digest_of_arrays(arrays)


def without_priors(
    teacher: Teacher | None,
    train: FaceSet,
    second: FaceSet | None,
    soft_labels: SoftLabels,
    temperature: float,
) -> npt.NDArray[np.float32] | None:
    """What all teachers say of both data sets, float32 [N + M, 7], each one's prior taken out first.

    That prior is what a teacher says on average of ``train``. NaN where nobody was asked; None where nobody
    teaches.
    """
    own = [without_prior(answers) for answers in soft_labels.own.values()]
    others = [
        without_prior(answers, soft_labels.own[name].mean(0)) for name, answers in soft_labels.second.items()
    ]
    if teacher:
        answers = teacher.answers(train.faces, temperature).numpy()
        own.append(without_prior(answers))
        if second:
            given = teacher.answers(_shrunk(second.faces, train.faces.shape[1]), temperature)
            others.append(without_prior(given.numpy(), answers.mean(0)))
    if not own:
        return None
    said = agreed(own)
    if not second:
        return said
    unasked = np.full((len(second), said.shape[1]), np.nan, np.float32)
    return np.concatenate([said, agreed(others) if others else unasked])


def judge(
    recipe: Recipe, lessons: Lessons, logits: npt.NDArray[np.float32], public: FaceSet
) -> tuple[npt.NDArray[np.int64], float, dict[str, str]]:
    """Answers to ``public`` [N], what chooses the weights (0-1), and what else the history says.

    Where priors are apart, FER2013's labels are met under their prior, and the weights chosen by the mean of
    the accuracies under both annotators' priors and of the balanced one under none, so that no habit chooses.
    """
    chosen = np.asarray((logits + lessons.log_priors[0].numpy()).argmax(1))
    own = accuracy(chosen, public.labels)
    if not recipe.data.balanced:
        return chosen, own, {}
    agreed_on = public.majority >= 0
    voted = (logits + lessons.log_priors[1].numpy()).argmax(1)[agreed_on]
    crowd = accuracy(voted, public.majority[agreed_on]) if agreed_on.any() else own
    balanced = balanced_accuracy(np.asarray(logits.argmax(1)), public.labels, public.classes)
    columns = {"ferplus_accuracy": f"{crowd:.4f}", "public_balanced": f"{balanced:.4f}"}
    return chosen, (own + crowd + balanced) / 3, columns


def check_second(recipe: Recipe, second: FaceSet | None) -> None:
    """Raise UsageError where the recipe wants a second data set and none is given, or the other way round."""
    wanted = recipe.data.second_share > 0
    if wanted and second is None:
        raise UsageError(f"recipe '{recipe.name}' has data.second_share: give a data set with --second")
    if second is not None and not (wanted and recipe.data.balanced):
        raise UsageError(
            f"recipe '{recipe.name}' has no data.second_share with data.balanced: leave out --second"
        )


def second_of(recipe: Recipe, sets: Sequence[readers.DataSet]) -> FaceSet | None:
    """The training faces of all ``sets`` as one, believed as the recipe says; None where there is none.

    Raises UsageError, DataInvalid.
    """
    if not sets:
        return None
    how = recipe.data.second_labels or ("noisy",) * len(sets)
    if len(how) != len(sets):
        raise UsageError(
            f"recipe '{recipe.name}': data.second_labels is of {len(how)} data sets, "
            f"and --second gives {len(sets)}"
        )
    parts = [each.split("train") for each in sets]
    return joined(
        [
            replace(part, sure=np.full(len(part), labels == "sure"), person=None)
            for part, labels in zip(parts, how, strict=True)
        ]
    )


def _shrunk(faces: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Faces [N, H, W] brought down to ``side`` pixels, as teachers know them."""
    return np.stack([at_size(face, side) if face.shape[0] > side else face for face in faces])
