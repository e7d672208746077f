"""What ``ferlite train synth`` writes: rendered faces, packed as lfw_expressions.npz is and with more
arrays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from faces.labels import EXPRESSIONS
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


LAYOUT = Layout(
    name="rendered",
    title="rendered faces",
    labels={label: label for label in EXPRESSIONS},
    framing="face",
    split_rule="by person: odd numbers test and never train, multiples of ten choose, the others train",
    terms="Made by 'ferlite train synth': the terms of the heads hold (ICT-FaceKit MIT, MakeHuman CC0).",
    recognise=lambda path: lfw.has_arrays(path, lfw.ARRAYS | lfw.MADE),
    entries=entries,
    knows_repeats=True,
)
