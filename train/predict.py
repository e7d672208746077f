"""Faces to logits through the runtime's own preprocessing, so that what is measured is what will run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge.bundle_files.sections import InputSpec
from edge.classify import to_input, with_absent
from train.recipe import Recipe
from train.systems.system import system_of


def input_spec(recipe: Recipe) -> InputSpec:
    """What the runtime must do to a face crop for a network of this recipe."""
    data = recipe.data
    return InputSpec(recipe.model.input_size, "grey", (data.mean,), (data.std,), data.prepare)


def as_seen(faces: npt.NDArray[np.uint8], recipe: Recipe) -> torch.Tensor:
    """Faces uint8 [N, H, W] as a network of this recipe is given them, float32 [N, 1, S, S]."""
    return torch.from_numpy(to_input(list(faces), input_spec(recipe)))


def predict(
    model: nn.Module,
    faces: npt.NDArray[np.uint8],
    recipe: Recipe,
    batch: int = 256,
    *,
    flip: bool = False,
    told: Sequence[npt.NDArray[np.float32] | None] | None = None,
) -> npt.NDArray[np.float32]:
    """Logits float32 [N, 7] of uint8 grey faces [N, H, W]. Leaves ``model`` in evaluation mode.

    ``flip``: the mean of the face's logits and its mirror image's, at twice the cost. ``told``: [N, *shape]
    for each of the system's extras; None, for one or for all: what it takes for "not there".
    """
    model.eval()
    device = next(model.parameters()).device
    extras = system_of(recipe).extras
    parts: list[npt.NDArray[Any]] = []
    with torch.no_grad():
        for start in range(0, len(faces), batch):
            x = as_seen(faces[start : start + batch], recipe).to(device)
            given = [None if each is None else each[start : start + batch] for each in told or ()]
            more = [torch.from_numpy(each).to(device) for each in with_absent(extras, given, len(x))]
            logits = first_of(model(x, *more))
            if flip:
                logits = (logits + first_of(model(x.flip(3), *more))) / 2
            parts.append(logits.float().cpu().numpy())
    return np.concatenate(parts)


def first_of(given: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The logits of what a network gives."""
    return given[0] if isinstance(given, tuple) else given
