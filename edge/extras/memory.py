"""What a network made of the same face before: the last moments of a followed face, evenly spaced in time.

A network with a second output gives a row of numbers for each face; here they are kept by track.
A face that was not read anew since looked as it did: its last row holds until then.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import Extra
from edge.errors import ModelMismatch
from edge.extras.extra import Context, Surroundings

Floats = npt.NDArray[np.float32]
APART_S = 0.08  # seconds between two moments: as far as the clips' frames that networks learn from
EARLY_S = APART_S / 4  # a camera is not on time to the millisecond
FORGET_S = 10.0  # a face that was not read for so long begins anew


class Memory:
    """See ``edge.extras.extra.Source``."""

    doubt = ""

    def __init__(self, extra: Extra, around: Surroundings) -> None:
        if len(extra.shape) != 2:
            raise ModelMismatch(
                f"bundle '{around.bundle.name}': memory is moments x numbers, not {extra.shape}"
            )
        self._moments, self._width = extra.shape
        self._tracks: dict[int, deque[tuple[float, Floats]]] = {}

    def __call__(self, context: Context) -> Floats | None:
        """Rows [N, moments, width], the latest last, zeros where the face was not there; None for a still."""
        if context.time is None or not context.tracks:
            return None
        rows = np.zeros((len(context.tracks), self._moments, self._width), np.float32)
        for own, track in zip(rows, context.tracks, strict=True):
            kept = self._tracks.get(track)
            if not kept or not 0 <= context.time - kept[-1][0] <= FORGET_S:
                continue
            for back in range(1, self._moments + 1):
                until = context.time - back * APART_S + EARLY_S
                held = next((row for time, row in reversed(kept) if time <= until), None)
                if held is None:
                    break
                own[-back] = held
        return rows

    def take(self, context: Context, features: Floats, weights: npt.NDArray[np.floating]) -> None:
        """Keep the rows [N, width] that the network gave for the faces."""
        if context.time is None:
            return
        now, span = context.time, self._moments * APART_S
        for track, row in zip(context.tracks, features, strict=True):
            kept = self._tracks.setdefault(track, deque())
            if kept and not 0 <= now - kept[-1][0] <= FORGET_S:
                kept.clear()
            kept.append((now, row.copy()))
            # The one before the span's start holds until the next.
            while len(kept) > 1 and kept[1][0] <= now - span:
                kept.popleft()
        self._forget(now)

    def _forget(self, now: float) -> None:
        gone = [track for track, kept in self._tracks.items() if not 0 <= now - kept[-1][0] <= FORGET_S]
        for track in gone:
            del self._tracks[track]

    def restart(self) -> None:
        """Nobody is known."""
        self._tracks.clear()

    def close(self) -> None:
        """Nothing to free."""
