"""lfw_expressions.npz: faces of LFW and IMFDB labelled by expression (muxspace/facial_expressions), 96 px.

Halves of LFW's people are kept apart for good, by their number: odd ones are never trained on (the private
split), of the even ones every fifth chooses weights (public), the others train. Nine of ten are neutral or
happy; the other labels are few and noisy. IMFDB's eight actors are only ever a test.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from faces.face_set import Split
from faces.labels import EXPRESSIONS
from faces.readers.layout import Entry, Layout

ARRAYS = {"jpeg", "offset", "label", "labels", "person", "source", "sources"}
MADE = {"units", "unit_names", "strength"}  # what rendered faces have besides, see ``rendered``
POINTS = {"landmarks", "visible"}  # of faces whose landmarks are known
PUBLIC_EVERY = 10


def split_of(person: int) -> Split:
    """Where a person's faces go: by the number alone, so that no face of theirs is ever elsewhere."""
    if person % 2:
        return "private"
    return "public" if person % PUBLIC_EVERY == 0 else "train"


def entries(path: Path, source: str) -> list[Entry]:
    """The faces of one ``source``. Raises DataInvalid."""
    arrays = _arrays(path)
    jpeg, offset, words = arrays["jpeg"], arrays["offset"], [str(word) for word in arrays["labels"]]
    sources = [str(word) for word in arrays["sources"]]
    if source not in sources:
        raise DataInvalid(f"'{path}' has no faces of '{source}': it has {', '.join(sources)}")
    points, visible = arrays.get("landmarks"), arrays.get("visible")
    found = []
    for index in np.flatnonzero(arrays["source"] == sources.index(source)):
        face = cv2.imdecode(jpeg[offset[index] : offset[index + 1]], cv2.IMREAD_GRAYSCALE)
        if face is None:
            raise DataInvalid(f"'{path}': face {index} is not a JPEG that can be read")
        person = int(arrays["person"][index])
        found.append(
            Entry(
                name=f"{source}/{index}",
                label=words[int(arrays["label"][index])],
                split=split_of(person) if source == "lfw" else "private",
                subject=f"{source}/{person}",
                pixels=np.asarray(face, np.uint8),
                # Kept in pixels; a face may be brought to another size.
                landmarks=points[index] / face.shape[0] if points is not None else None,
                visible=visible[index] if visible is not None else None,
            )
        )
    return found


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        # numpy leaves a file that it opened itself open where the zip inside is damaged.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            missing = ARRAYS - set(getattr(archive, "files", ()))
            if missing:
                raise DataInvalid(f"'{path}' has no '{min(missing)}': it is no lfw_expressions.npz")
            return {name: archive[name] for name in (*ARRAYS, *(POINTS & set(archive.files)))}
    except DataInvalid:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataInvalid(f"'{path}' is not an .npz that can be read: {error}") from error


def sources_of(path: Path) -> tuple[str, ...]:
    """The sources that the faces of ``path`` come from. Raises DataInvalid."""
    return tuple(str(word) for word in _arrays(path)["sources"])


def words_of(path: Path) -> tuple[str, ...]:
    """The words that the faces of ``path`` are labelled with. Raises DataInvalid."""
    return tuple(str(word) for word in _arrays(path)["labels"])


def has_arrays(path: Path, names: set[str]) -> bool:
    """Whether ``path`` is an .npz with arrays of these names."""
    if path.suffix != ".npz" or not path.is_file():
        return False
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return {f"{name}.npy" for name in names} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


TERMS = (
    "Labels: Apache-2.0 (muxspace/facial_expressions). LFW's pictures: no terms stated; IMFDB's: research. "
    "Treat as research only and do not redistribute."
)
LFW = Layout(
    name="lfw",
    title="LFW with expressions",
    labels={label: label for label in EXPRESSIONS},
    framing="face",
    split_rule="by person: odd numbers test and never train, multiples of ten choose, the others train",
    terms=TERMS,
    recognise=lambda path: has_arrays(path, ARRAYS) and not has_arrays(path, MADE),
    entries=lambda path: entries(path, "lfw"),
    knows_repeats=True,
)
IMFDB = Layout(
    name="imfdb",
    title="IMFDB, as in LFW with expressions",
    labels={label: label for label in EXPRESSIONS},
    framing="face",
    split_rule="none: eight actors, whose faces are only ever a test",
    terms=TERMS,
    recognise=lambda path: False,
    entries=lambda path: entries(path, "imfdb"),
    knows_repeats=True,
)
