"""Windows of films, changed at random: larger, faster, mirrored, noisier, from a slower camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.moments.decode import OUTPUTS
from edge.moments.history import LOOKED, MOVES, RATE, ROWS, picture
from edge.moments.regions import REGIONS, Floats
from train.spotter.motion_set import KINDS, MotionSet
from train.spotter.recipe import Recipe

# How often a window lies about something of each kind; else anywhere.
ABOUT = {"micro": 0.4, "macro": 0.1, "blink": 0.15, "talk": 0.15}
AROUND = 0.4  # seconds from the middle of what it lies about


@dataclass(frozen=True)
class Windows:
    """``levels`` uint8 [N, ROWS, window]; ``wanted`` float32 [N, outputs, told], 0-1."""

    levels: npt.NDArray[np.uint8]
    wanted: Floats


class Drawer:
    """Draws windows of ``films``, the same for the same ``rng``."""

    def __init__(self, films: MotionSet, recipe: Recipe) -> None:
        self._films, self._recipe = films, recipe
        self._wanted = wanted_of(films, recipe.learn.near)
        self._rows = films.rows.astype(np.float32)
        self._of = {kind: np.flatnonzero(films.kind == KINDS.index(kind)) for kind in ABOUT}

    def __call__(self, count: int, rng: np.random.Generator) -> Windows:
        """So many windows."""
        window = self._recipe.network.window
        drawn = [self._window(rng) for _ in range(count)]
        return Windows(
            np.stack([picture(rows, window) for rows, _ in drawn]),
            np.stack([wanted for _, wanted in drawn]),
        )

    def _window(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        net, how = self._recipe.network, self._recipe.change
        while True:
            film, middle = self._place(rng)
            faster = 1 + float(rng.uniform(-how.time, how.time))
            # Moments in those of the film; the window is the last, what is told of lies about ``middle``.
            steps = np.arange(LOOKED) - (LOOKED - 1 - net.ahead - net.told) - 1 - net.told // 2
            at = np.clip(middle + faster * steps, 0, self._rows.shape[1] - 1.001)
            rows = _sampled(self._rows[film], at, _apart(how.half, how.quarter, rng), rng)
            if np.isfinite(rows).all():
                break
        told = at[LOOKED - net.ahead - net.told :][: net.told]
        wanted = self._wanted[film][np.rint(told).astype(int)].T
        rows[:, :MOVES] *= np.exp(rng.uniform(np.log1p(-how.size), np.log1p(how.size)))
        rows[:, :MOVES] += rng.normal(0, how.noise * rng.random(), (LOOKED, MOVES))
        return (mirrored(rows) if rng.random() < 0.5 else rows), wanted

    def _place(self, rng: np.random.Generator) -> tuple[int, float]:
        drawn = rng.random()
        for kind, share in ABOUT.items():
            drawn -= share
            if drawn < 0 and len(self._of[kind]):
                one = int(rng.choice(self._of[kind]))
                onset, _, offset = self._films.times[one].tolist()
                seconds = float(rng.uniform(onset - AROUND, offset + AROUND))
                return int(self._films.film[one]), seconds * RATE
        return int(rng.integers(len(self._films))), float(rng.uniform(0, self._rows.shape[1]))


def wanted_of(films: MotionSet, near: float) -> Floats:
    """What should be said of each moment, float32 [N, T, outputs]: within a short movement, at its bounds."""
    seconds = np.arange(films.rows.shape[1]) / RATE
    wanted = np.zeros((*films.rows.shape[:2], len(OUTPUTS)), np.float32)
    for film, kind, times in zip(films.film, films.kind, films.times, strict=True):
        if KINDS[kind] != "micro":
            continue
        wanted[film, (seconds >= times[0]) & (seconds <= times[2]), 0] = 1
        for index, time in enumerate(times.tolist(), 1):
            bump = np.exp(-(((seconds - time) / near) ** 2) / 2)
            wanted[film, :, index] = np.maximum(wanted[film, :, index], bump)
    return wanted


def mirrored(rows: Floats) -> Floats:
    """Moments [N, ROWS] of the face in a mirror."""
    swapped = rows[:, _SWAPPED].copy()
    swapped[:, 0:MOVES:2] *= -1
    return swapped


def _apart(half: float, quarter: float, rng: np.random.Generator) -> int:
    """How many of the film's moments lie between two frames of a camera."""
    drawn = rng.random()
    return 2 if drawn < half else 4 if drawn < half + quarter else 1


def _sampled(rows: Floats, at: npt.NDArray[np.float64], apart: int, rng: np.random.Generator) -> Floats:
    """``rows`` [T, ROWS] at the moments ``at`` [N], by frames ``apart`` moments from each other."""
    phase = int(rng.integers(apart))
    kept = rows[phase::apart]
    places = np.clip((at - phase) / apart, 0, len(kept) - 1.001)
    low = places.astype(int)
    share = (places - low).astype(np.float32)[:, None]
    return np.asarray(kept[low] * (1 - share) + kept[low + 1] * share, np.float32)


def _mirror() -> list[int]:
    """Which row comes into the place of each in a mirror."""
    other = {"right": "left", "left": "right"}
    names = [" ".join(other.get(word, word) for word in name.split()) for name in REGIONS]
    moves = [2 * REGIONS.index(name) + axis for name in names for axis in (0, 1)]
    return [*moves, *range(MOVES, ROWS)]


_SWAPPED = _mirror()
