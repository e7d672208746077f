"""What a classifier says of a whole face set; needs neither torch nor the builders, so a board can run it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.classify import Classifier
from edge.commands.progress import Progress
from edge.engine import Array
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
                batch = as_seen(faces.faces[start : start + BATCH], classifier.channels)
                parts.append(classifier.logits(list(batch)))
                progress.advance(len(parts[-1]))
    finally:
        classifier.close()
    return np.concatenate(parts)


def as_seen(faces: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.uint8]:
    """Grey faces uint8 [N, H, W] as a network of so many channels sees them: [N, H, W], or [N, H, W, 3]."""
    return faces if channels == 1 else np.repeat(faces[..., None], channels, axis=3)
