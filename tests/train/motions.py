"""Films for the spotter without any picture: brows that go up and come back, lids that close, and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.bundle_files.sections import OTHER, TONES_AND_OTHER
from edge.moments.history import RATE, row
from edge.moments.regions import REGIONS
from edge.moments.rule import RuleSpotter
from tests.edge.moments.acted import hill, motions
from train.spotter import motion_set, recipe
from train.spotter.cli import CHOOSE, LEARN
from train.spotter.motion_set import MotionSet

SMALL = recipe.parse(
    """
schema = 1
name = "small"
[network]
channels = 8
kernel = 5
dilations = [1, 2, 4]
ahead = 14
told = 5
[learn]
steps = 6
batch_size = 8
lr = 0.01
warmup_steps = 2
ema = 0.5
""",
    "small",
)


def films(count: int, seconds: float = 6.0, first: int = 0) -> MotionSet:
    """Each film has one short movement of the brows, where the seed says, and one blink."""
    return motion_set.joined([_film(seconds, seed) for seed in range(first, first + count)])


def _film(seconds: float, seed: int) -> tuple[np.ndarray, list[motion_set.Event]]:
    rng = np.random.default_rng(seed)
    start, long = float(rng.uniform(1.5, 3)), float(rng.uniform(0.2, 0.4))
    blink = start + long + 1
    ways = {name: lambda t: 0.03 * hill(t, start, start + long) for name in ("left brow", "right brow")}
    ways |= {name: lambda t: -0.15 * hill(t, blink, blink + 0.3) for name in ("left eye", "right eye")}
    rule, still, rows = RuleSpotter(), np.zeros((len(REGIONS), 2), np.float32), []
    for time, motion in motions(seconds, RATE, ways, seed=seed):
        rule(time, motion)
        rows.append(row(motion, still, rule.height))
    middle = start + long / 2
    happened: list[motion_set.Event] = [
        ("micro", start, middle, start + long, 0.03, TONES_AND_OTHER[seed % 4]),
        ("blink", blink, blink, blink + 0.3, 0.0, OTHER),
    ]
    return np.stack(rows).astype(np.float16), happened


def run_of(folder: Path, learn: int = 6, choose: int = 3) -> Path:
    """A run's folder in which the films are made already."""
    folder.mkdir(parents=True, exist_ok=True)
    motion_set.write(films(learn), folder / LEARN)
    motion_set.write(films(choose, first=100), folder / CHOOSE)
    return folder
