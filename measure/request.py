"""What ``bench`` is asked to do, and how it is handed to the processes that do it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError
from edge.settings import RunSettings

MOST_QUERIES = 20_000


@dataclass(frozen=True)
class Order:
    """One benchmark of a bundle.

    ``engines``: names, or ("all",) for every one that the bundle has a file for, or ("auto",). ``faces`` is
    the N of multi-stream, ``batch`` the samples of an offline query, ``seconds`` the least time that each
    scenario is measured for. ``source`` ("": none) is what ``ferlite run`` takes, ``frames`` how many of it
    are timed; 0 leaves ``detect_size`` and ``detect_every`` as ``ferlite run`` has them. ``threads`` 0 leaves
    them to the engine. ``power`` names a sensor, "auto" or "none". ``footage`` is the folder with the
    source's frames (``measure.footage``), once they were taken.
    """

    bundle: str
    engines: tuple[str, ...] = ("all",)
    threads: int = 0
    device: str = ""
    seconds: float = 5.0
    faces: int = 5
    batch: int = 32
    source: str = ""
    frames: int = 200
    detector: str = "auto"
    detector_model: str = ""
    detector_engine: str = "auto"
    detect_size: int = 0
    detect_every: int = 0
    starts: int = 5
    power: str = "auto"
    power_seconds: float = 20.0
    footage: str = ""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("threads", 0, 1024),
            ("seconds", 0.01, 3600),
            ("faces", 1, 1000),
            ("batch", 1, 4096),
            ("frames", 10, MOST_QUERIES),
            ("starts", 1, 100),
            ("power_seconds", 0.1, 3600),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is {value:g}, and must be {low:g} to {high:g}")
        if self.detect_size and not 64 <= self.detect_size <= 4096:
            raise UsageError(f"--detect-size is {self.detect_size}, and must be 64 to 4096 pixels")
        if not 0 <= self.detect_every <= 1000:
            raise UsageError(f"--detect-every is {self.detect_every}, and must be 1 to 1000 frames")

    def settings(self) -> RunSettings:
        """Those of ``ferlite run`` for the first of the engines."""
        return RunSettings(
            bundle=self.bundle,
            engine=self.engines[0],
            device=self.device,
            threads=self.threads,
            detector=self.detector,
            detector_model=Path(self.detector_model) if self.detector_model else None,
            detector_engine=self.detector_engine,
            detect_size=self.detect_size,
            detect_every=self.detect_every,
        )


def to_text(order: Order) -> str:
    """The order as one line of JSON."""
    return json.dumps(dataclasses.asdict(order))


def from_text(text: str) -> Order:
    """The order that ``to_text`` wrote."""
    table = json.loads(text)
    return Order(**{**table, "engines": tuple(table["engines"])})
