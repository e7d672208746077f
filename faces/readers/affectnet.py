"""AffectNet (Mollahosseini et al., IEEE TAC 2019) as it is handed out: images, and a .npy per annotation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.errors import DataInvalid
from faces.face_set import Split
from faces.readers.folders import pictures
from faces.readers.layout import Entry, Layout

# The order of its codes 0-7.
LABELS: dict[str, str | None] = {
    "neutral": "neutral",
    "happiness": "happiness",
    "sadness": "sadness",
    "surprise": "surprise",
    "fear": "fear",
    "disgust": "disgust",
    "anger": "anger",
    "contempt": None,
}
SPLITS: dict[str, Split] = {"train_set": "train", "val_set": "private"}


def entries(path: Path) -> list[Entry]:
    """Pictures in ``train_set`` and ``val_set`` with ``annotations/NAME_exp.npy``. Raises DataInvalid."""
    found = []
    for folder, split in SPLITS.items():
        for picture in pictures(path / folder / "images") if (path / folder / "images").is_dir() else []:
            file = path / folder / "annotations" / f"{picture.stem}_exp.npy"
            try:
                code = int(np.load(file, allow_pickle=False).item())
                label = list(LABELS)[range(len(LABELS)).index(code)]
            except (OSError, ValueError, EOFError) as error:
                raise DataInvalid(f"'{file}' must hold one code from 0 to {len(LABELS) - 1}") from error
            found.append(Entry(f"{folder}/{picture.stem}", label, split, path=picture))
    return found


LAYOUT = Layout(
    name="affectnet",
    title="AffectNet, eight classes",
    labels=LABELS,
    framing="face",
    split_rule="official train; its validation set is our test, a tenth of train chooses weights",
    terms="Non-commercial research only, under an agreement; the pictures are not to be redistributed.",
    recognise=lambda path: (path / "train_set" / "annotations").is_dir(),
    entries=entries,
)
