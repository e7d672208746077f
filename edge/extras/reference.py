"""What a network makes of the same face when it is calm: a running mean by track, of moments surely calm.

As a profile is learnt (``edge.profile``), but without being asked for and never kept: it ends with the track.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import Extra
from edge.errors import ModelMismatch
from edge.extras.extra import Context, Surroundings
from edge.profile import MOST_MOMENTS, NEUTRAL, SURE

Floats = npt.NDArray[np.float32]
FORGET_S = 60.0  # a face that was not read for so long begins anew


@dataclass
class Calm:
    """The mean of so many ``moments``, when the track was last read."""

    mean: Floats
    moments: int
    read: float


class Reference:
    """See ``edge.extras.extra.Source``."""

    doubt = ""

    def __init__(self, extra: Extra, around: Surroundings) -> None:
        if len(extra.shape) != 1:
            raise ModelMismatch(f"bundle '{around.bundle.name}': a reference is numbers, not {extra.shape}")
        if NEUTRAL not in around.bundle.labels:
            raise ModelMismatch(
                f"bundle '{around.bundle.name}' wants a reference, and has no label '{NEUTRAL}' to know it by"
            )
        self._width, self._neutral = extra.shape[0], around.bundle.labels.index(NEUTRAL)
        self._tracks: dict[int, Calm] = {}

    def __call__(self, context: Context) -> Floats | None:
        """Means [N, width], zeros where no calm moment was seen yet; None for a still."""
        if context.time is None or not context.tracks:
            return None
        nothing = np.zeros(self._width, np.float32)
        known = [self._tracks.get(track) for track in context.tracks]
        return np.stack([each.mean if each else nothing for each in known])

    def take(self, context: Context, features: Floats, weights: npt.NDArray[np.floating]) -> None:
        """Learn from the faces that are surely calm by their ``weights`` [N, labels]."""
        if context.time is None:
            return
        for track, row, own in zip(context.tracks, features, weights, strict=True):
            calm = self._tracks.get(track)
            if calm is not None:
                calm.read = context.time
            if own[self._neutral] < SURE:
                continue
            if calm is None:
                self._tracks[track] = Calm(row.copy(), 1, context.time)
            elif calm.moments < MOST_MOMENTS:
                calm.moments += 1
                calm.mean = calm.mean + (row - calm.mean) / calm.moments
        late = [
            track for track, each in self._tracks.items() if not 0 <= context.time - each.read <= FORGET_S
        ]
        for track in late:
            del self._tracks[track]

    def restart(self) -> None:
        """Nobody is known."""
        self._tracks.clear()

    def close(self) -> None:
        """Nothing to free."""
