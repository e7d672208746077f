"""Films as the spotter sees them: how the parts of a face moved, RATE times a second, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import TONES_AND_OTHER
from edge.errors import DataInvalid
from edge.files import whole
from edge.moments.history import RATE, ROWS
from train.landmarks.marked import read_arrays

KINDS = ("micro", "macro", "blink", "talk")


@dataclass(frozen=True)
class MotionSet:
    """N films of T moments, RATE a second.

    ``rows`` float16 [N, T, ROWS]: see ``edge.moments.history.row``; no numbers where the face was lost.
    ``film`` int32 [E], ``kind`` int8 [E] of KINDS, ``times`` float32 [E, 3] in seconds (onset, apex, offset)
    and ``reach`` float32 [E] in distances between the eyes are those of the E things that happen; ``tone``
    int8 [E] is one of TONES_AND_OTHER.
    """

    rows: npt.NDArray[np.float16]
    film: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int8]
    times: npt.NDArray[np.float32]
    reach: npt.NDArray[np.float32]
    tone: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def seconds(self) -> float:
        """Of each film."""
        return float(self.rows.shape[1] / RATE)

    def happened(self, film: int, kind: str) -> npt.NDArray[np.float32]:
        """Onset, apex and offset, float32 [K, 3] in seconds, of what of this ``kind`` happens in a film."""
        return np.asarray(self.times[(self.film == film) & (self.kind == KINDS.index(kind))])


ARRAYS = ("rows", "film", "kind", "times", "reach", "tone")
Event = tuple[str, float, float, float, float, str]  # kind, onset, apex and offset in seconds, reach, tone


def write(films: MotionSet, path: Path) -> None:
    """Write the set as an .npz. Raises StorageFailed."""
    arrays: dict[str, Any] = {name: getattr(films, name) for name in ARRAYS}
    with whole(path, keep_suffix=True) as part:
        np.savez_compressed(part, **arrays)


def read(path: Path) -> MotionSet:
    """The set in ``path``. Raises DataInvalid."""
    found = MotionSet(**read_arrays(path, ARRAYS, "spotter"))
    if found.rows.ndim != 3 or found.rows.shape[2] != ROWS:
        raise DataInvalid(f"'{path}' has rows of {found.rows.shape}, and {ROWS} numbers a moment are learnt")
    return found


def joined(
    films: Sequence[tuple[npt.NDArray[np.float16], Sequence[Event]]],
) -> MotionSet:
    """Films one by one: their rows, and each thing that happens."""
    events = [(index, *event) for index, (_, happened) in enumerate(films) for event in happened]
    return MotionSet(
        np.stack([rows for rows, _ in films]),
        np.array([event[0] for event in events], np.int32),
        np.array([KINDS.index(event[1]) for event in events], np.int8),
        np.array([event[2:5] for event in events], np.float32).reshape(-1, 3),
        np.array([event[5] for event in events], np.float32),
        np.array([TONES_AND_OTHER.index(event[6]) for event in events], np.int8),
    )
