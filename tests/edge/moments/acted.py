"""A photograph that does something for a moment, and motions of parts without any picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np

from edge.align import Image
from edge.moments.motion import Motion
from edge.moments.regions import REGIONS
from edge.moments.rule import RuleSpotter, Span
from edge.results import Box, Face
from edge.source import Frame
from edge.sources.decode import read_image

# Grace Hopper's, in the part of the photograph that comes with matplotlib, at half its size.
FACE = Face(
    Box(41, 40, 85, 106), 0.94, ((63.5, 76.6), (103.8, 77.7), (83.2, 100.0), (64.2, 113.9), (101.0, 114.8))
)
EYES = 40.3  # pixels between them
BROWS = (83.5, 64.0)


@lru_cache
def photograph() -> Image:
    whole = read_image(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    return np.asarray(
        cv2.resize(whole[40:400, 100:436], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8
    )


def brows_raised(picture: Image, far: float) -> Image:
    """The brows ``far`` distances between the eyes higher."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    bump = np.exp(-(((columns - BROWS[0]) / 35) ** 2) - ((rows - BROWS[1]) / 11) ** 2)
    return np.asarray(
        cv2.remap(picture, columns, rows + np.float32(far * EYES) * bump, cv2.INTER_CUBIC), np.uint8
    )


def noisy(picture: Image, rng: np.random.Generator, level: float = 2.0) -> Image:
    grain = rng.normal(0, level, picture.shape[:2])[..., None]
    return np.asarray(np.clip(picture + grain, 0, 255), np.uint8)


def hill(time: float, onset: float, offset: float, hold: float = 0.1) -> float:
    """0 to 1 and back between two times, smoothly, the top being ``hold`` of it."""
    share = (time - onset) / (offset - onset)
    if not 0 < share < 1:
        return 0.0
    near = min(1.0, min(share, 1 - share) / ((1 - hold) / 2))
    return near * near * (3 - 2 * near)


@lru_cache
def a_film(rate: float, seconds: float = 2.6) -> list[Frame]:
    """Raised brows from 2.0 to 2.3 s."""
    rng, still = np.random.default_rng(1), photograph()
    return [
        Frame("film", n, n / rate, noisy(brows_raised(still, 0.05 * hill(n / rate, 2.0, 2.3)), rng))
        for n in range(round(seconds * rate))
    ]


def write_film(path: Path, rate: float) -> Path:
    """``a_film`` as a video."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (168, 180))
    for frame in a_film(rate):
        writer.write(frame.image)
    writer.release()
    return path


def motions(
    seconds: float,
    rate: float,
    ways: dict[str, Callable[[float], float]],
    noise: float = 0.0008,
    seed: int = 0,
) -> Iterator[tuple[float, Motion]]:
    """Each region of ``ways`` goes up as its function says, in distances between the eyes; all are noisy."""
    rng = np.random.default_rng(seed)
    for index in range(round(seconds * rate)):
        time = index / rate
        parts = rng.normal(0, noise, (len(REGIONS), 2)).astype(np.float32)
        for name, way in ways.items():
            parts[REGIONS.index(name), 1] -= way(time)
        yield time, Motion(parts, False, (100.0, 100.0, 80.0))


def spotted(moved: Iterator[tuple[float, Motion]]) -> list[Span]:
    """What the rule spots, its frames of rest taken as it asks for them."""
    spotter, found, rest = RuleSpotter(), [], np.zeros((len(REGIONS), 2), np.float32)
    for time, motion in moved:
        found += spotter(time, Motion(motion.parts - rest, motion.lost, motion.place))
        if spotter.rest:
            rest = motion.parts
    return found
