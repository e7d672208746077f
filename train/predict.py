"""Faces to logits through the runtime's own preprocessing, so that what is measured is what will run."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge.bundle_files.sections import InputSpec
from edge.classify import absent, to_input
from train.recipe import Recipe
from train.systems.system import system_of


def input_spec(recipe: Recipe) -> InputSpec:
    """What the runtime must do to a face crop for a network of this recipe."""
    data = recipe.data
    return InputSpec(recipe.model.input_size, "grey", (data.mean,), (data.std,), data.prepare)


def predict(
    model: nn.Module, faces: npt.NDArray[np.uint8], recipe: Recipe, batch: int = 256, *, flip: bool = False
) -> npt.NDArray[np.float32]:
    """Logits float32 [N, 7] of uint8 grey faces [N, H, W]. Leaves ``model`` in evaluation mode.

    ``flip``: the mean of the face's logits and its mirror image's, at twice the cost.
    """
    how = input_spec(recipe)
    model.eval()
    device = next(model.parameters()).device
    extras = system_of(recipe).extras
    parts: list[npt.NDArray[Any]] = []
    with torch.no_grad():
        for start in range(0, len(faces), batch):
            x = torch.from_numpy(to_input(list(faces[start : start + batch]), how)).to(device)
            told = [torch.from_numpy(absent(extra, len(x))).to(device) for extra in extras]
            logits = (model(x, *told) + model(x.flip(3), *told)) / 2 if flip else model(x, *told)
            parts.append(logits.float().cpu().numpy())
    return np.concatenate(parts)
