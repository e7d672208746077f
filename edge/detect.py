"""What a face detector is, and how one is chosen."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from edge.align import Image
from edge.detectors.table import DETECTORS
from edge.engine import EngineOptions
from edge.errors import DetectorMissing, DetectorUnknown
from edge.results import Face


@dataclass(frozen=True)
class DetectorOptions:
    """``size``: the frame's longer side is brought down to this many pixels before the search, never up.

    ``score`` 0-1: the least that counts as a face, None for the detector's own. ``model``: its weights,
    None for where ``ferlite fetch`` puts them. ``engine`` runs detectors that are networks.
    """

    size: int = 640
    score: float | None = None
    model: Path | None = None
    engine: str = "auto"
    engine_options: EngineOptions = field(default_factory=EngineOptions)


class Detector(Protocol):
    """Finds faces."""

    scores: bool  # whether its faces come with score and landmarks

    def __call__(self, frame: Image) -> Sequence[Face]:
        """The faces in a uint8 [H, W, 3] BGR frame, in frame pixels, the surest or largest first."""
        ...

    def close(self) -> None:
        """Free what it holds; a second call does nothing."""
        ...


class DetectorClass(Protocol):
    """What the table names."""

    def __call__(self, options: DetectorOptions) -> Detector:
        """Load it. Raises FerliteError."""
        ...

    def lacks(self, options: DetectorOptions) -> str:
        """What it needs and does not find here, as a sentence; "" where it can start."""
        ...


@dataclass(frozen=True)
class DetectorChoice:
    """The detector that was chosen, and why those before it were not."""

    name: str
    skipped: tuple[tuple[str, str], ...] = ()


def detector_class(name: str) -> DetectorClass:
    """The class of the named detector. Raises DetectorUnknown."""
    if name not in DETECTORS:
        raise DetectorUnknown(f"unknown detector '{name}': choose auto, {', '.join(DETECTORS)}")
    module, attribute = DETECTORS[name].split(":")
    return cast("DetectorClass", getattr(importlib.import_module(module), attribute))


def choose(wanted: str, options: DetectorOptions) -> DetectorChoice:
    """Pick a detector: a named one as it is, ``auto`` the first of the table that can start."""
    if wanted != "auto":
        detector_class(wanted)
        return DetectorChoice(wanted)
    skipped: list[tuple[str, str]] = []
    for name in DETECTORS:
        reason = detector_class(name).lacks(options)
        if not reason:
            return DetectorChoice(name, tuple(skipped))
        skipped.append((name, reason))
    raise DetectorMissing("no detector can start: " + "; ".join(reason for _, reason in skipped))
