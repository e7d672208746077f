"""Domains: the same question asked of other people, other cameras, worse light and smaller faces.

A network that is right on the data it learnt from may know that data and not faces. What is made from FER2013
is made the same way every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edge.bundle_files.sections import CropRule
from faces.corruptions import KINDS, corrupt
from faces.face_set import OWN, FaceSet

# Each face is worsened in one way, in turn, at the middle strength.
STRENGTH = 1
# Of the faces that are made worse for the gate, every third is enough to see a point of damage.
THIN = 3
SIDES = (20, 24, 32)


@dataclass(frozen=True)
class Domain:
    """Faces of one kind. ``real`` is False for what was drawn, which is never averaged with the others."""

    name: str
    faces: FaceSet
    real: bool = True


def corrupted(faces: FaceSet, rule: CropRule) -> Domain:
    """Every face worsened in one of the ways of ``faces.corruptions``, taken in turn."""
    kinds, worse = list(KINDS), faces.faces.copy()
    for number, kind in enumerate(kinds):
        those = np.arange(number, len(faces), len(kinds))
        if len(those):
            worse[those] = corrupt(faces.faces[those], kind, STRENGTH, rule)
    return Domain("corrupted", replace(faces, name=f"{faces.name}-corrupted", faces=worse))


def small(faces: FaceSet) -> Domain:
    """Every face shrunk to 20, 24 or 32 pixels, in turn, and enlarged again: what a distant camera sees."""
    tiny = []
    for number, face in enumerate(faces.faces):
        side = SIDES[number % len(SIDES)]
        shrunk = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        tiny.append(cv2.resize(shrunk, face.shape[::-1], interpolation=cv2.INTER_LINEAR))
    return Domain(
        "20-32 px", replace(faces, name=f"{faces.name}-small", faces=np.stack(tiny).astype(np.uint8))
    )


def board(public: FaceSet, rule: CropRule, others: Sequence[FaceSet] = ()) -> list[Domain]:
    """The domains by which int8 is judged: the public split, some of it corrupted and small, and others."""
    thin = public.take(np.arange(0, len(public), THIN))
    return [
        Domain("FER2013" if public.annotators == OWN else public.name, public),
        corrupted(thin, rule),
        small(thin),
        *(Domain(each.name, each) for each in others),
    ]
