"""What a movement looks like by the way that the parts of the face go: positive, negative or surprise.

These are the three classes of the recognition challenge of 2019 (See et al., MEGC 2019). A short movement
is too faint for a network that reads pictures, and its way is measured anyway.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge.bundle_files.sections import TONES
from edge.moments.regions import Floats

SURE = 0.5  # of all weight below which nothing is said; chosen on the people whom a spotter is chosen by


def direction(parts: Floats) -> Floats:
    """``parts`` [regions, 2] as numbers that do not tell how far they went, float32 [2 * regions + 1]."""
    farthest = float(np.sqrt((parts * parts).sum(1)).max())
    return np.append(parts.ravel() / max(farthest, 1e-6), 1.0).astype(np.float32)


def tone_of(parts: Floats, tones: Mapping[str, tuple[float, ...]]) -> str | None:
    """One of TONES, None where no one is sure, or where ``tones`` are not known.

    ``parts`` float32 [regions, 2]: the way from rest to the apex; ``tones``: see ``SpotRule``.
    """
    if not tones:
        return None
    logits = np.array(list(tones.values()), np.float32) @ direction(parts)
    weights = np.exp(logits - logits.max())
    best = int(weights.argmax())
    name = list(tones)[best]
    return name if name in TONES and weights[best] >= SURE * weights.sum() else None
