"""What makes an extra input, and what it may know."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from edge.align import Image
from edge.bundle import Bundle
from edge.bundle_files.sections import Extra
from edge.engine import EngineOptions
from edge.extras.table import EXTRAS
from edge.results import Face

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Surroundings:
    """What a source may be made from: the bundle that wants it, its engine, other bundles by their kind.

    ``trusted``: the public key that must have signed those.
    """

    bundle: Bundle
    engine: str
    options: EngineOptions
    landmarks: str | Path = ""
    trusted: Path | None = None


@dataclass(frozen=True)
class Context:
    """The faces of a frame that are about to be read, and their crops uint8 [S, S] or [S, S, 3].

    Of a video's frame at ``time``, in seconds, ``tracks`` are their numbers; of a still there is neither.
    """

    frame: Image
    faces: Sequence[Face]
    crops: Sequence[Image]
    tracks: Sequence[int] = ()
    time: float | None = None


class Source(Protocol):
    """A file of ``edge.extras``."""

    def __init__(self, extra: Extra, around: Surroundings) -> None:
        """Raises BundleInvalid, EngineError, ModelMismatch and UsageError."""

    @property
    def doubt(self) -> str:
        """Why every reading is to be doubted, "" where the source is there."""
        ...

    def __call__(self, context: Context) -> Floats | None:
        """Float32 [N, *shape] for the N faces; None: it is not there, the network takes ``absent``."""
        ...

    def take(self, context: Context, features: Floats, weights: npt.NDArray[np.floating]) -> None:
        """Hear what the network made of the faces: ``features`` [N, width] beside ``weights`` [N, labels].

        ``features`` are [N, 0] of a network that gives none.
        """
        ...

    def restart(self) -> None:
        """Another source begins: its faces are nobody seen before."""
        ...

    def close(self) -> None:
        """Free what it loaded; a second call does nothing."""
        ...


def source_class(name: str) -> type[Source]:
    """The class of a source in the table."""
    module, attribute = EXTRAS[name].split(":")
    return cast("type[Source]", getattr(importlib.import_module(module), attribute))
