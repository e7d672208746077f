"""JAFFE (Lyons et al., FG 1998): ten women, frames of 256 x 256."""

from __future__ import annotations

import re
from pathlib import Path

from faces.readers.folders import pictures
from faces.readers.layout import Entry, Layout

LABELS: dict[str, str | None] = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
NAME = re.compile(rf"([A-Z]{{2}})\.({'|'.join(LABELS)})\d\.\d+")


def entries(path: Path) -> list[Entry]:
    """Pictures named SUBJECT.EXPRESSION.NUMBER; others that lie with them are not looked at."""
    named = [(picture, NAME.fullmatch(picture.stem)) for picture in pictures(path)]
    return [Entry(file.stem, name[2], subject=name[1], path=file) for file, name in named if name]


LAYOUT = Layout(
    name="jaffe",
    title="JAFFE",
    labels=LABELS,
    framing="frame",
    split_rule="subject-independent: 2 of 10 subjects test, 2 choose weights, by the sha256 of their names",
    terms="Non-commercial scientific research only; the pictures are not to be redistributed.",
    recognise=lambda path: path.is_dir() and any(NAME.fullmatch(picture.stem) for picture in pictures(path)),
    entries=entries,
)
