"""Windows of voices, changed at random: another tempo, another throat, another room, parts that are not
heard.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from edge.voice.mel import BANDS, FRAMES, LEAST, MIDDLE, SILENCE, STEPS, picture
from train.voice.recipe import ChangeRecipe
from train.voice.voice_set import VoiceSet

HOP = 24  # frames between the windows of an utterance: about a quarter of a second
LOUDEST_DB = 30.0  # of the voice over the noise


def windows(mel: npt.NDArray[np.float32], hop: int = HOP) -> npt.NDArray[np.float32]:
    """All windows float32 [N, 96, 40] of an utterance; a short one is filled up with silence."""
    if len(mel) < FRAMES:
        mel = np.concatenate([mel, np.full((FRAMES - len(mel), BANDS), SILENCE, np.float32)])
    starts = range(0, len(mel) - FRAMES + 1, hop)
    return np.stack([mel[start : start + FRAMES] for start in starts])


def pictures(heard: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """What a network hears of windows [N, 96, 40]: uint8 [N, 40, 96]."""
    return np.stack([picture(each) for each in heard])


def changed(
    voices: VoiceSet, which: npt.NDArray[np.int64], how: ChangeRecipe, rng: np.random.Generator
) -> torch.Tensor:
    """A window of each utterance ``which``, changed: levels float32 [B, 1, 40, 96], as ``picture`` has
    them.
    """
    drawn = []
    for index in which:
        mel = voices.mel[index]
        start = int(rng.integers(0, max(1, len(mel) - FRAMES + 1)))
        drawn.append(windows(mel[start : start + FRAMES])[0])
    heard = torch.from_numpy(np.stack(drawn)).transpose(1, 2)[:, None]
    return masked(noisy(bent(heard, how, rng), how, rng), how, rng)


def bent(heard: torch.Tensor, how: ChangeRecipe, rng: np.random.Generator) -> torch.Tensor:
    """``heard`` [B, 1, 40, 96] faster or slower, with shorter or longer throats, brighter or darker."""
    count = len(heard)
    turn = np.zeros((count, 2, 3), np.float32)
    turn[:, 0, 0] = 1 + rng.uniform(-how.stretch, how.stretch, count)
    turn[:, 1, 1] = 1 + rng.uniform(-how.warp, how.warp, count)
    turn[:, 0, 2] = rng.uniform(-0.05, 0.05, count)
    # From the lowest band, which stays where it is.
    turn[:, 1, 2] = turn[:, 1, 1] - 1
    grid = F.affine_grid(torch.from_numpy(turn), list(heard.shape), align_corners=True)
    bent_ = F.grid_sample(heard, grid, padding_mode="border", align_corners=True)
    slope = torch.from_numpy(rng.uniform(-how.tilt, how.tilt, (count, 1, 1, 1)).astype(np.float32))
    return bent_ + slope * torch.linspace(-1, 1, BANDS)[:, None]


def noisy(heard: torch.Tensor, how: ChangeRecipe, rng: np.random.Generator) -> torch.Tensor:
    """Steady noise of a random colour added to some of ``heard`` [B, 1, 40, 96]."""
    count = len(heard)
    over = rng.uniform(how.quietest_db, LOUDEST_DB, (count, 1, 1, 1)) / 10 * np.log(10)
    over = np.where(rng.random((count, 1, 1, 1)) < how.noise, over, 60)
    voice = torch.logsumexp(heard.flatten(1), 1).view(-1, 1, 1, 1)
    colour = rng.uniform(-2, 2, (count, 1, 1, 1)) * np.linspace(-1, 1, BANDS)[:, None]
    colour = colour + np.linspace(-0.7, 0.7, BANDS)[:, None]  # higher bands are wider
    # A band's power of noise in each frame scatters as of few degrees of freedom.
    colour = colour + rng.normal(0, 0.5, (count, 1, BANDS, FRAMES))
    shape = torch.from_numpy(colour.astype(np.float32))
    level = voice - torch.logsumexp(shape.flatten(1), 1).view(-1, 1, 1, 1)
    noise = shape + level - torch.from_numpy(over.astype(np.float32))
    return torch.logaddexp(heard, noise).clamp(min=float(np.log(LEAST)))


def masked(heard: torch.Tensor, how: ChangeRecipe, rng: np.random.Generator) -> torch.Tensor:
    """Levels of ``heard`` [B, 1, 40, 96], some bands and times of which say nothing (SpecAugment, Park et
    al., Interspeech 2019).
    """
    levels = (heard - heard.mean((1, 2, 3), keepdim=True)) * STEPS + MIDDLE
    for each in levels:
        for most, axis in ((how.bands, 1), (how.times, 2)) * 2:
            wide = int(rng.integers(0, most + 1))
            start = int(rng.integers(0, each.shape[axis] - wide + 1))
            each.narrow(axis, start, wide).fill_(MIDDLE)
    return levels.clamp(0, 255)
