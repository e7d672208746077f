"""Whether the expression that a short movement belongs to is the one that is named at its apex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from benchmarks.moments.tally import NAMINGS, naming
from edge.align import Image, align
from edge.bundle import Bundle
from edge.classify import Classifier
from edge.moments.watch import CALM_S, named
from train.synth.moments import FAR, Film, Happening

# Distances between the eyes that the farthest point goes: short movements, and longer ones.
BINS = ((0.02, 0.035), (0.035, 0.05), (0.05, 0.08), (0.08, FAR[1]))


def at_true_times(films: Sequence[Film], bundle: Bundle, classifier: Classifier) -> dict[str, Any]:
    """Right, null and wrong names by how far movements go, read at the apex and before the onset as they are.

    So nothing is lost in spotting. Of movements that belong to one expression; JSON-ready.
    """
    counts = {f"{low:g}-{high:g}": dict.fromkeys(NAMINGS, 0) for low, high in BINS}
    for film in films:
        for each in film.happenings:
            if not each.expression:
                continue
            low, high = next((bound for bound in BINS if each.reach <= bound[1]), BINS[-1])
            crops = [_crop(film, when, bundle) for when in (each.apex, each.curve.start - CALM_S)]
            counts[f"{low:g}-{high:g}"][naming(each, _name(each, crops, classifier))] += 1
    return counts


def _name(happening: Happening, crops: list[Image], classifier: Classifier) -> str | None:
    at, before = classifier(crops).tolist()
    rises = {name: a - b for name, a, b in zip(classifier.labels, at, before, strict=True)}
    return named(rises)


def _crop(film: Film, when: float, bundle: Bundle) -> Image:
    picture, face = film.still(when)
    image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
    return align(image, face, bundle.crop, bundle.input)
