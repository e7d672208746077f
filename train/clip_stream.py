"""A stream of clips: which of them a step learns from, in which view, and how much of each is remembered."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from edge.errors import DataInvalid
from faces.clip_set import ClipSet
from faces.face_set import FaceSet
from train.clip_priors import log_priors
from train.recipe import Recipe
from train.streams import Stream

VIEWS = 2  # of each clip: one as it is, one mirrored, in a light of its own all through the clip
LIGHT, NOISE = 0.25, 4.0  # as ``AugmentRecipe`` has them


class Clips(NamedTuple):
    """What the stream gives at a step.

    ``grey`` and ``indices`` as ``train.streams.Drawn`` has them, of the clips' last frames. ``views`` int64
    [B]: which view of each; ``since`` int64 [B]: the first frame that is remembered; ``backward`` bool [B]:
    the clip is to run backward, so that an expression fades; ``known`` bool [B]: the calm face is known.
    ``log_priors`` float32 [B, labels]: how common labels are where each comes from (``clip_priors``).
    """

    grey: torch.Tensor
    indices: torch.Tensor
    views: torch.Tensor
    since: torch.Tensor
    backward: torch.Tensor
    known: torch.Tensor
    log_priors: torch.Tensor


class ClipStream(Stream):
    """Clips drawn with replacement. ``short``: the share of which only an end is remembered."""

    def __init__(self, recipe: Recipe, name: str, faces: FaceSet, short: float, backward: float) -> None:
        super().__init__(recipe, name, faces)
        if not isinstance(faces, ClipSet):
            raise DataInvalid(
                f"stream '{name}' takes clips, and {faces.name} has stills: 'ferlite train clips' makes some"
            )
        self._short, self._backward = short, backward
        self._length = faces.clips.shape[1]
        calm = recipe.labels.index("neutral")
        self._log_priors = torch.from_numpy(log_priors(faces, backward, calm))

    def at(self, step: int, size: int) -> Clips:  # type: ignore[override]
        """The batch that belongs to ``step``. Seeds torch."""
        rng, chosen = self._draw(step)
        torch.manual_seed(int(rng.integers(2**31)))
        count = len(chosen)
        shortened = rng.random(count) < self._short
        since = np.where(shortened, rng.integers(0, self._length, count), 0)
        draws = (rng.integers(0, VIEWS, count), since, rng.random(count) < self._backward)
        views, since_, backward, known = map(torch.from_numpy, (*draws, rng.random(count) < 0.5))
        indices = torch.from_numpy(chosen)
        grey, expected = self._pictures[indices].unsqueeze(1).float(), self._log_priors[indices]
        return Clips(grey, indices, views, since_, backward, known, expected)


def view(clips: npt.NDArray[np.uint8], number: int, first: int = 0) -> npt.NDArray[np.uint8]:
    """View ``number`` of clips uint8 [N, T, S, S], of which the first is clip ``first`` of its set.

    Odd views are mirrored; all but view 0 have a light and a noise of their own, the same each time.
    """
    if number == 0:
        return clips
    seen = np.empty_like(clips)
    for index, clip in enumerate(clips):
        rng = np.random.default_rng([13, number, first + index])
        gain, lift = 1 + rng.uniform(-LIGHT, LIGHT), 127 * rng.uniform(-LIGHT, LIGHT)
        middle = float(clip.mean())
        lit = (clip - middle) * gain + middle + lift + rng.normal(0, NOISE * rng.random() ** 2, clip.shape)
        levels = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
        seen[index] = levels[:, :, ::-1] if number % 2 else levels
    return seen
