"""Soft labels of networks that are not ours, from a file: what they said of faces that train.

The file is an .npz with ``train_NAME`` [faces, 7] and ``classes``, the expressions' names or FER2013's
adjectives. Of FER2013 it has a row a face as packed; of a second data set a row a face that trains, and
``labels``, by which it is known to be of these faces.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from edge.files import whole
from faces.face_set import FER2013_NAMES, FaceSet, read_packed
from faces.labels import EXPRESSIONS


def read(path: Path, names: Sequence[str], data: Path) -> dict[str, npt.NDArray[np.float64]]:
    """For each of ``names`` its probabilities, float64 [N, 7], a row a face that trains.

    ``data`` is the packed FER2013 whose repeats and blanks are left out, as ``load_fer2013`` does. Raises
    DataInvalid.
    """
    pack = read_packed(data, "train")
    kept = ~pack.repeats & (pack.faces.std(axis=(1, 2)) > 1.0)
    return {name: answers[kept] for name, answers in _answers(path, names, len(pack.faces)).items()}


def read_second(path: Path, names: Sequence[str], second: FaceSet) -> dict[str, npt.NDArray[np.float64]]:
    """For each of ``names`` its probabilities of the faces of ``second``, float64 [M, 7].

    The file is of all of them or of the first: of the others nobody was asked (NaN). Raises DataInvalid, also
    where it is of other faces.
    """
    labels = _arrays(path, ["labels"])["labels"]
    asked = min(len(labels), len(second))
    found = _answers(path, names, asked)
    if not np.array_equal(labels, second.labels[:asked]):
        raise DataInvalid(f"'{path}' was not made of the faces of {second.name}: their labels differ")
    unasked = np.full((len(second) - asked, len(EXPRESSIONS)), np.nan)
    return {name: np.concatenate([answers, unasked]) for name, answers in found.items()}


def write(path: Path, name: str, answers: npt.NDArray[np.floating], faces: FaceSet) -> None:
    """Write what the network ``name`` says of ``faces``, [M, 7], for ``read_second``.

    Raises StorageFailed.
    """
    arrays: dict[str, Any] = {f"train_{name}": answers.astype(np.float16), "labels": faces.labels}
    with whole(path, keep_suffix=True) as part:
        np.savez_compressed(part, classes=np.array(faces.classes), **arrays)


def _answers(path: Path, names: Sequence[str], count: int) -> dict[str, npt.NDArray[np.float64]]:
    arrays = _arrays(path, ["classes", *(f"train_{name}" for name in names)])
    classes = [FER2013_NAMES.get(str(name), str(name)) for name in arrays["classes"]]
    if sorted(classes) != sorted(EXPRESSIONS):
        raise DataInvalid(f"'{path}': its classes are not the seven expressions: {', '.join(classes)}")
    order, found = [classes.index(label) for label in EXPRESSIONS], {}
    for name in names:
        answers = arrays[f"train_{name}"].astype(np.float64)
        wanted = (count, len(EXPRESSIONS))
        if answers.shape != wanted:
            raise DataInvalid(
                f"'{path}': 'train_{name}' is {answers.shape}, and must be {wanted} for the faces given: "
                "soft labels go with the very data set that they were made of"
            )
        if not np.isfinite(answers).all():
            raise DataInvalid(f"'{path}': '{name}' does not know all seven expressions")
        found[name] = answers[:, order]
    return found


def _arrays(path: Path, wanted: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            missing = [name for name in wanted if name not in getattr(archive, "files", ())]
            if missing:
                raise DataInvalid(f"'{path}' has no '{missing[0]}'")
            return {name: archive[name] for name in wanted}
    except DataInvalid:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataInvalid(f"'{path}' is not an .npz that can be read: {error}") from error
