"""Faces whose 68 landmarks are known, with those that can be seen: what the landmark network learns from."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from edge.files import whole

# A face is kept with room around the crop that a live one is given, to be shifted and turned in training.
CROP, ROOM = 64, 8
SIDE = CROP + 2 * ROOM


@dataclass(frozen=True)
class MarkedFaces:
    """N faces.

    ``pictures`` uint8 [N, SIDE, SIDE] grey, whose middle CROP pixels are a live face's crop; ``landmarks``
    float32 [N, 68, 2] in pixels of the picture; ``visible`` bool [N, 68]; ``span`` float32 [N]: pixels
    between the outer corners of the eyes were the face seen from the front; ``yaw`` float32 [N] in degrees;
    ``source`` int8 [N] of ``sources``; ``worn`` int8 [N] of ``kinds``, what was drawn over the face.
    """

    pictures: npt.NDArray[np.uint8]
    landmarks: npt.NDArray[np.float32]
    visible: npt.NDArray[np.bool_]
    span: npt.NDArray[np.float32]
    yaw: npt.NDArray[np.float32]
    source: npt.NDArray[np.int8]
    sources: tuple[str, ...]
    worn: npt.NDArray[np.int8]
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def take(self, which: npt.NDArray[np.bool_]) -> MarkedFaces:
        """Those faces that a mask bool [N] chooses."""
        chosen = {name: getattr(self, name)[which] for name in ARRAYS}
        return dataclasses.replace(self, **chosen)


ARRAYS = ("pictures", "landmarks", "visible", "span", "yaw", "source", "worn")
WORDS = ("sources", "kinds")


def joined(parts: Sequence[MarkedFaces]) -> MarkedFaces:
    """Several sets as one; they agree in ``sources`` and ``kinds``."""
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS}
    return MarkedFaces(**arrays, sources=parts[0].sources, kinds=parts[0].kinds)


def write(faces: MarkedFaces, path: Path) -> None:
    """Write the set as an .npz. Raises StorageFailed."""
    arrays: dict[str, Any] = {name: getattr(faces, name) for name in ARRAYS}
    arrays |= {name: np.array(getattr(faces, name)) for name in WORDS}
    with whole(path, keep_suffix=True) as part:
        np.savez(part, **arrays)


def read(path: Path) -> MarkedFaces:
    """The set in ``path``. Raises DataInvalid."""
    found = read_arrays(path, (*ARRAYS, *WORDS))
    words: dict[str, Any] = {name: tuple(str(word) for word in found.pop(name)) for name in WORDS}
    return MarkedFaces(**found, **words)


def read_arrays(path: Path, names: Sequence[str], verb: str = "landmarks") -> dict[str, Any]:
    """The arrays ``names`` that 'ferlite train VERB' wrote into ``path``. Raises DataInvalid."""
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in names if name not in file]
            if missing:
                raise DataInvalid(
                    f"'{path}' has no '{missing[0]}': it is no set of 'ferlite train {verb}' of today; "
                    "move it away, and it is made anew"
                )
            return {name: file[name] for name in names}
    except DataInvalid:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataInvalid(f"'{path}' is not an .npz that can be read: {error}") from error
