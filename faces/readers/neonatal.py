"""Faces of newborns in a folder per state: calm, cry, mild_pain, severe_pain, as FENP has them.

FENP (Yan et al., IEEE TAFFC 2020) is had from its authors alone. Nothing read from it or from drawings is for
any decision about care.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from faces.labels import NEONATAL
from faces.readers.folders import SPLITS, labelled_by_folder, subfolders
from faces.readers.layout import Entry, Layout

NAMES: dict[str, str | None] = {
    **{label: label for label in NEONATAL},
    "crying": "cry",
    "mild": "mild_pain",
    "mild pain": "mild_pain",
    "severe": "severe_pain",
    "severe pain": "severe_pain",
    "rest": "calm",
}


def entries(path: Path) -> list[Entry]:
    """Pictures in ``path/SPLIT/STATE`` or ``path/STATE``.

    What stands before the first "_" of a file's name is the baby, who is in one split only.
    Raises DataInvalid for a folder of another name.
    """
    found = labelled_by_folder(path, NAMES, "a state")
    return [replace(entry, subject=Path(entry.name).stem.split("_", maxsplit=1)[0]) for entry in found]


def recognise(path: Path) -> bool:
    """Whether the folder, or one of a split in it, has one named after a state of newborns."""
    if not path.is_dir():
        return False
    below = subfolders(path)
    inside = [each for folder in below if folder.name.lower() in SPLITS for each in subfolders(folder)]
    return any(each.name.lower() in NAMES for each in (*below, *inside))


LAYOUT = Layout(
    name="neonatal",
    title="newborns in a folder per state",
    labels=NAMES,
    framing="face",
    split_rule="folders train, val and test (or their synonyms); else by baby, in the order of names' sha256",
    terms="Those of whoever collected the pictures. Not for any decision about care.",
    recognise=recognise,
    entries=entries,
    classes=NEONATAL,
)
