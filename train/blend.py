"""Weights between a start and what a run made of it: often better than both away from the data of either.

WiSE-FT (Wortsman et al., CVPR 2022): fine-tuning on new data forgets some of the old, and a straight line
between the two weights keeps most of both. It costs no training.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edge.errors import DataInvalid, UsageError
from faces.face_set import FaceSet
from faces.scaling import learnt_prior
from train.checkpoint import Trained, write
from train.predict import predict


def blend(start: Trained, tuned: Trained, share: float, public: FaceSet) -> nn.Module:
    """The network ``share`` of the way from ``start`` to ``tuned``.

    Where only the latter learnt with priors apart, what the start expects is taken out first, as its run did
    (measured on ``public``, without its labels). Raises DataInvalid for networks of other shapes, UsageError
    for a share that is not 0-1.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"--share {share:g}: give 0 (the start) to 1 (what the run made of it)")
    before, after = copy.deepcopy(start.model), copy.deepcopy(tuned.model)
    ours, theirs = after.state_dict(), before.state_dict()
    if {name: value.shape for name, value in ours.items()} != {
        name: value.shape for name, value in theirs.items()
    }:
        raise DataInvalid(f"'{start.path}' and '{tuned.path}' are networks of different shapes")
    if tuned.recipe.data.balanced and not start.recipe.data.balanced:
        take_prior_out(before, predict(before, public.faces, start.recipe))
        theirs = before.state_dict()
    after.load_state_dict(
        {
            name: torch.lerp(theirs[name].float(), value.float(), share)
            if value.is_floating_point()
            else value
            for name, value in ours.items()
        }
    )
    return after.eval()


def take_prior_out(model: nn.Module, answers: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    """Subtract from the last biases what the network expects before it looks: its mean answer [N, labels]."""
    bias = [module for module in model.modules() if isinstance(module, nn.Linear)][-1].bias
    expected = torch.from_numpy(np.log(learnt_prior(answers))).to(bias)
    with torch.no_grad():
        bias -= expected - expected.mean()


def write_blend(start: Trained, tuned: Trained, share: float, public: FaceSet, out: Path) -> None:
    """``blend`` as a file that every verb takes for a run's best network. Raises FerliteError."""
    model = blend(start, tuned, share, public)
    said = f"{share:g} of {tuned.sha256} and {1 - share:g} of {start.sha256}"
    made = replace(tuned, lineage=replace(tuned.lineage, blend=said))
    write(made.pedigree | {"model": model.state_dict()}, out)
