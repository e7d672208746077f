"""The sets of voices that can be read. To add one: a file beside this and its arrays here."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from train.voice import crema_d, emodb, ravdess
from train.voice.voice_set import VoiceSet


def read(path: Path) -> VoiceSet:
    """EmoDB or RAVDESS, packed, told by its arrays; CREMA-D, a folder. Raises DataInvalid."""
    if path.is_dir():
        return crema_d.read(path)
    arrays = _arrays(path)
    if set(arrays) >= set(emodb.ARRAYS):
        return emodb.read(path, arrays)
    if set(arrays) >= set(ravdess.ARRAYS):
        return ravdess.read(path, arrays)
    known = " or ".join(", ".join(names) for names in (emodb.ARRAYS, ravdess.ARRAYS))
    raise DataInvalid(f"'{path}' is no set of voices: it must have the arrays {known}")


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataInvalid(f"'{path}' is no set of voices: it is a single array, not an .npz")
            return {name: archive[name] for name in archive.files}
    except DataInvalid:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataInvalid(f"'{path}' is not an .npz that can be read: {error}") from error
