"""Packs of clips, as ``ferlite train clips`` writes them: rendered, morphed or warped, one kind a file."""

from __future__ import annotations

from pathlib import Path

from faces import clip_set
from faces.labels import EXPRESSIONS
from faces.readers import lfw
from faces.readers.layout import Entry, Layout


def entries(path: Path) -> list[Entry]:
    """All clips, each with its last frame as the picture. Raises DataInvalid."""
    clips, making, rate = clip_set.read(path)
    return [
        Entry(
            name=f"{making}/{index}",
            label=clip.label,
            split=lfw.split_of(clip.person),
            subject=f"{making}/{clip.person}",
            pixels=clip.frames[-1],
            clip=clip,
            making=making,
            rate=rate,
        )
        for index, clip in enumerate(clips)
    ]


LAYOUT = Layout(
    name="clips",
    title="clips that were made",
    labels={label: label for label in EXPRESSIONS},
    framing="face",
    split_rule="by person: odd numbers test and never train, multiples of ten choose, the others train",
    terms="Made by 'ferlite train clips': the terms of the heads or of the photographs hold.",
    recognise=lambda path: lfw.has_arrays(path, clip_set.CLIPS),
    entries=entries,
    knows_repeats=True,
)
