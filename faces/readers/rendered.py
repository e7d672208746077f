"""What ``ferlite train synth`` writes: rendered faces, packed as lfw_expressions.npz is and with more
arrays. Their words say which of two layouts a pack is: expressions, or the states of newborns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from faces.labels import EXPRESSIONS, NEONATAL
from faces.readers import lfw
from faces.readers.layout import Entry, Layout


def entries(path: Path) -> list[Entry]:
    """All faces, whatever heads they are of. Raises DataInvalid."""
    found = []
    for source in lfw.sources_of(path):
        for entry in lfw.entries(path, source):
            person = int(entry.subject.rpartition("/")[2])
            found.append(replace(entry, split=lfw.split_of(person)))
    return found


def _layout(name: str, title: str, classes: tuple[str, ...], more_terms: str = "") -> Layout:
    def recognise(path: Path) -> bool:
        there = lfw.has_arrays(path, lfw.ARRAYS | lfw.MADE)
        return there and set(lfw.words_of(path)) <= set(classes)

    return Layout(
        name=name,
        title=title,
        labels={label: label for label in classes},
        framing="face",
        split_rule="by person: odd numbers test and never train, multiples of ten choose, the others train",
        terms="Made by 'ferlite train synth': the terms of the heads hold (ICT-FaceKit MIT, MakeHuman CC0)."
        + more_terms,
        recognise=recognise,
        entries=entries,
        knows_repeats=True,
        classes=classes,
        annotators=name if classes != EXPRESSIONS else "",
    )


LAYOUT = _layout("rendered", "rendered faces", EXPRESSIONS)
NEWBORNS = _layout("rendered-newborns", "rendered newborns", NEONATAL, " Not for any decision about care.")
