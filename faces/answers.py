"""What a classifier says of a whole face set; needs neither torch nor the builders, so a board can run it."""

from __future__ import annotations

import numpy as np

from edge.classify import Classifier
from edge.engine import Array
from edge.progress import Progress
from faces.face_set import FaceSet

BATCH = 128


def of_all(classifier: Classifier, faces: FaceSet, what: str) -> Array:
    """Logits float32 [N, labels] of every face, before any scaling; ``what`` names the work in progress.

    The classifier is closed, whatever happens.
    """
    parts = []
    try:
        with Progress(what, len(faces), "faces") as progress:
            for start in range(0, len(faces), BATCH):
                parts.append(classifier.logits(list(faces.faces[start : start + BATCH])))
                progress.advance(len(parts[-1]))
    finally:
        classifier.close()
    return np.concatenate(parts)
