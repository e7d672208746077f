"""Packs of clips, as ``ferlite train clips`` writes them: rendered, morphed or warped, one kind a file.

A folder of packs is one data set: the splits of one kind, or kinds to learn from together.
"""

from __future__ import annotations

from pathlib import Path

from edge.errors import DataInvalid
from faces import clip_set
from faces.labels import EXPRESSIONS
from faces.readers import lfw
from faces.readers.layout import Entry, Layout


def packs(path: Path) -> list[Path]:
    """The packs of a folder, in the order of their names; of a file, itself."""
    return sorted(path.glob("*.npz")) if path.is_dir() else [path]


def recognise(path: Path) -> bool:
    """Whether it is a pack of clips, or a folder of nothing but such among its .npz files."""
    files = packs(path)
    return bool(files) and all(lfw.has_arrays(each, clip_set.CLIPS) for each in files)


def entries(path: Path) -> list[Entry]:
    """All clips, each with its last frame as the picture. Raises DataInvalid."""
    found: list[Entry] = []
    shape: tuple[int, float] | None = None
    for each in packs(path):
        clips, making, rate = clip_set.read(each)
        own = (len(clips[0].frames), rate)
        shape = shape or own
        if own != shape:
            raise DataInvalid(
                f"'{each}' has clips of {own[0]} frames, {own[1]:g} a second, and others of its folder have "
                f"{shape[0]}, {shape[1]:g} a second: they must be alike"
            )
        found += [
            Entry(
                name=f"{each.stem}/{index}",
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
    return found


LAYOUT = Layout(
    name="clips",
    title="clips that were made",
    labels={label: label for label in EXPRESSIONS},
    framing="face",
    split_rule="by person: odd numbers test and never train, multiples of ten choose, the others train",
    terms="Made by 'ferlite train clips': the terms of the heads or of the photographs hold.",
    recognise=recognise,
    entries=entries,
    knows_repeats=True,
)
