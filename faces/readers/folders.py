"""Pictures in a folder per expression, with or without a folder per split above."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edge.errors import DataInvalid
from edge.sources.decode import SUFFIXES
from faces.face_set import Split
from faces.readers.layout import Entry, Layout

NAMES: dict[str, str | None] = {
    "anger": "anger",
    "angry": "anger",
    "disgust": "disgust",
    "disgusted": "disgust",
    "fear": "fear",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happiness",
    "happy": "happiness",
    "joy": "happiness",
    "sadness": "sadness",
    "sad": "sadness",
    "surprise": "surprise",
    "surprised": "surprise",
    "neutral": "neutral",
    "contempt": None,
}
SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "public",
    "valid": "public",
    "validation": "public",
    "public": "public",
    "test": "private",
    "private": "private",
}


def pictures(folder: Path) -> list[Path]:
    """The picture files of a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def subfolders(folder: Path) -> list[Path]:
    """Folders of a folder, sorted by name; hidden ones are not looked at."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def entries(path: Path) -> list[Entry]:
    """Pictures in ``path/SPLIT/LABEL`` or ``path/LABEL``. Raises DataInvalid for a folder of another name."""
    return labelled_by_folder(path, NAMES, "an expression")


def labelled_by_folder(path: Path, names: Collection[str], kind: str) -> list[Entry]:
    """Pictures in ``path/SPLIT/LABEL`` or ``path/LABEL``, a label being one of ``names`` in any case.

    Raises DataInvalid for a folder that is not named after ``kind``.
    """
    found = []
    for folder in subfolders(path):
        split = SPLITS.get(folder.name.lower())
        for labelled in subfolders(folder) if split else [folder]:
            label = labelled.name.lower()
            if label not in names:
                raise DataInvalid(f"'{labelled}' is not named after {kind}: known are {', '.join(names)}")
            for picture in pictures(labelled):
                name = picture.relative_to(path).as_posix()
                found.append(Entry(name, label, split or "", path=picture))
    return found


def recognise(path: Path) -> bool:
    """Whether the folder has one named after a split or an expression."""
    return path.is_dir() and any(each.name.lower() in SPLITS | NAMES for each in subfolders(path))


LAYOUT = Layout(
    name="folders",
    title="a folder of pictures per expression",
    labels=NAMES,
    framing="face",
    split_rule="folders train, val and test (or their synonyms); else by the sha256 of the files' names",
    terms="Those of whoever collected the pictures: find them out before you train.",
    recognise=recognise,
    entries=entries,
)
