"""Soft labels of networks that are not ours, from a file: what they said of FER2013's training faces.

The file is an .npz with ``train_NAME`` [faces as packed, 7] and ``classes``, FER2013's adjectives.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from faces.face_set import FER2013_NAMES, read_packed
from faces.labels import EXPRESSIONS
from train.lessons import without_prior


def read(path: Path, names: Sequence[str], data: Path) -> list[npt.NDArray[np.float64]]:
    """For each of ``names`` its answers without its prior, float64 [N, 7], a row a face that trains.

    ``data`` is the packed FER2013 whose repeats and blanks are left out, as ``load_fer2013`` does. Raises
    DataInvalid.
    """
    arrays = _arrays(path, names)
    pack = read_packed(data, "train")
    kept = ~pack.repeats & (pack.faces.std(axis=(1, 2)) > 1.0)
    classes = [FER2013_NAMES.get(str(name), "") for name in arrays["classes"]]
    if sorted(classes) != sorted(EXPRESSIONS):
        raise DataInvalid(f"'{path}': its classes are not FER2013's seven: {', '.join(classes)}")
    order, found = [classes.index(label) for label in EXPRESSIONS], []
    for name in names:
        answers = arrays[f"train_{name}"].astype(np.float64)
        wanted = (len(pack.faces), len(EXPRESSIONS))
        if answers.shape != wanted:
            raise DataInvalid(f"'{path}': 'train_{name}' is {answers.shape}, and must be {wanted}")
        if not np.isfinite(answers).all():
            raise DataInvalid(f"'{path}': '{name}' does not know all seven expressions")
        found.append(without_prior(answers[kept][:, order]))
    return found


def _arrays(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[np.floating]]:
    wanted = ["classes", *(f"train_{name}" for name in names)]
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
