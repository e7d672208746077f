"""Faces that a system learns from beside the labelled ones: what a stream gives is a function of the step.

Draw k of a stream is seeded from ``(recipe.seed, the stream's name, k)`` alone, so that one stream more or
less changes no other, and a stopped run goes on bit for bit.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from edge.errors import DataInvalid, UsageError
from faces.face_set import FaceSet
from train.augment import augment, prepared
from train.recipe import Recipe


@dataclass(frozen=True)
class StreamWish:
    """A stream that a system asks for: its name, and what its faces must be known by beside their labels."""

    name: str
    needs: tuple[str, ...] = ()


class Drawn(NamedTuple):
    """What a stream gives at a step.

    ``grey``: changed faces float32 [B, 1, S, S] in grey levels; ``indices`` int64 [B]: which they are.
    """

    grey: torch.Tensor
    indices: torch.Tensor


class Stream:
    """Faces drawn from ``faces`` with replacement, by ``chances`` float64 [N] where they are set."""

    def __init__(self, recipe: Recipe, name: str, faces: FaceSet) -> None:
        if len(faces) == 0:
            raise DataInvalid(f"stream '{name}' has no faces")
        self.name, self.faces, self._recipe = name, faces, recipe
        self.chances: npt.NDArray[np.float64] | None = None
        self._pictures = torch.from_numpy(faces.faces)

    def at(self, step: int, size: int) -> Drawn:
        """The batch that belongs to ``step``, in pictures of ``size`` pixels. Seeds torch."""
        rng, chosen = self._draw(step)
        torch.manual_seed(int(rng.integers(2**31)))
        indices = torch.from_numpy(chosen)
        grey = augment(self._pictures[indices], size, self._recipe.augment)
        return Drawn(prepared(grey, self._recipe.data.prepare), indices)

    def _draw(self, step: int) -> tuple[np.random.Generator, npt.NDArray[np.int64]]:
        how = self._recipe.train
        rng = np.random.default_rng([how.seed, zlib.crc32(self.name.encode()), step])
        return rng, rng.choice(len(self.faces), how.batch_size, p=self.chances).astype(np.int64)


Making = Callable[[str, FaceSet], Stream]


def streams_of(
    recipe: Recipe, wishes: tuple[StreamWish, ...], given: Mapping[str, FaceSet], make: Making
) -> dict[str, Stream]:
    """The streams that the recipe's system wishes for. Raises DataInvalid and UsageError."""
    who = f"recipe '{recipe.name}' (system '{recipe.system.name}')"
    for wish in wishes:
        if wish.name not in given:
            raise UsageError(
                f"{who} learns from a stream '{wish.name}': give a data set with --stream {wish.name}=DATA"
            )
        refuse_unknown(who, wish.needs, given[wish.name])
    extra = set(given) - {wish.name for wish in wishes}
    if extra:
        raise UsageError(f"{who} has no stream '{min(extra)}': leave out --stream {min(extra)}")
    return {wish.name: make(wish.name, given[wish.name]) for wish in wishes}


def refuse_unknown(who: str, needs: tuple[str, ...], faces: FaceSet) -> None:
    """Raise DataInvalid where ``faces`` do not know what a system needs of them: persons, landmarks."""
    for need in needs:
        if getattr(faces, need, None) is None:
            raise DataInvalid(f"{who} needs the {need} of every face, and {faces.name} has none")
