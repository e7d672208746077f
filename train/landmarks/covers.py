"""Things to lay over faces while the network learns: drawn once on many faces, then laid over any other.

All faces lie in their crops alike, so what was drawn for one fits another well enough, and what it hides is
told exactly by its own outline. So no face is seen twice under the same thing, at a tenth of the time that
drawing anew would take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.files import whole
from train.landmarks.marked import SIDE, MarkedFaces, read_arrays
from train.synth.wear import Worn, laid_over, wear

Grey = npt.NDArray[np.uint8]
ARRAYS = ("opaque", "texture")
# How a thing is moved from where it was drawn: degrees, logarithm of its size, pixels.
TURN, GROW, SHIFT = 12.0, 0.2, 6.0
TONE = 0.25  # how much lighter or darker it gets


@dataclass(frozen=True)
class Covers:
    """K things: ``opaque`` uint8 [K, SIDE, SIDE], 255 where nothing is seen through it, and ``texture`` uint8
    [K, SIDE, SIDE]."""

    opaque: Grey
    texture: Grey

    def __len__(self) -> int:
        return len(self.opaque)

    def over(self, picture: Grey, rng: np.random.Generator) -> Worn:
        """``picture`` uint8 [SIDE, SIDE] under one of them, drawn and moved by ``rng``."""
        chosen = int(rng.integers(len(self)))
        angle, grow = np.radians(rng.uniform(-TURN, TURN)), np.exp(rng.uniform(-GROW, GROW))
        turn = grow * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if rng.random() < 0.5:
            turn = turn @ np.diag([-1.0, 1.0])
        middle = np.array([(SIDE - 1) / 2] * 2)
        matrix = np.column_stack([turn, middle + rng.uniform(-SHIFT, SHIFT, 2) - turn @ middle])
        both = np.dstack([self.opaque[chosen], self.texture[chosen]])
        moved = cv2.warpAffine(
            both, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        tone = moved[..., 1] * np.float32(rng.uniform(1 - TONE, 1 + TONE))
        opaque = moved[..., 0].astype(np.float32) / np.float32(255)
        return laid_over(picture, opaque, np.clip(tone, 0, 255).astype(np.uint8))


def draw(faces: MarkedFaces, count: int, kinds: Sequence[str], others: Sequence[Grey], seed: int) -> Covers:
    """``count`` things of ``kinds`` in turn, each drawn for one of ``faces``.

    ``others`` uint8 [H, W] are what patches are taken from.
    """
    opaque, texture = (np.empty((count, SIDE, SIDE), np.uint8) for _ in ARRAYS)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        face = int(rng.integers(len(faces)))
        other = others[int(rng.integers(len(others)))]
        kind = kinds[number % len(kinds)]
        drawn = wear(faces.pictures[face], faces.landmarks[face], kind, rng, other)
        opaque[number], texture[number] = np.rint(255 * drawn.opaque), drawn.texture
    return Covers(opaque, texture)


def write(covers: Covers, path: Path) -> None:
    """Write them as an .npz. Raises StorageFailed."""
    with whole(path, keep_suffix=True) as part:
        np.savez_compressed(part, opaque=covers.opaque, texture=covers.texture)


def read(path: Path) -> Covers:
    """The things in ``path``. Raises DataInvalid."""
    return Covers(**read_arrays(path, ARRAYS))
