"""What is to be quantized: a trained classifier, what it wants to see, and where it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge.bundle_sections import InputSpec
from faces.face_set import LABELS, FaceSet
from quantize.prepare.calibrate import Splits

RECIPE_FILE = "train.toml"  # what a run's recipe is called in the bundle


@dataclass(frozen=True)
class Source:
    """A trained classifier in evaluation mode.

    ``model`` takes float32 [N, C, S, S] as ``input`` describes it, and returns logits float32
    [N, ``labels``]. ``weights_sha256`` is that of the file it was read from; ``recipe_text`` what
    describes it, kept in the bundle as ``recipe_file``. ``origin``: what is known of its making, for the
    card: ``init`` and ``teachers`` (as ``Trained`` has them), or ``trained_on`` and ``terms``.
    """

    name: str
    backbone: str
    model: nn.Module
    labels: tuple[str, ...]
    input: InputSpec
    recipe_text: str
    recipe_sha256: str
    weights_sha256: str
    recipe_file: str = RECIPE_FILE
    origin: Mapping[str, str] = field(default_factory=dict)

    def example(self, count: int) -> torch.Tensor:
        """``count`` inputs that look like nothing but have the right shape and range, always the same."""
        shape = (count, self.input.channels, self.input.size, self.input.size)
        values = np.random.default_rng(1).uniform(-2, 2, shape).astype(np.float32)
        return torch.from_numpy(values)

    def relabel(self, splits: Splits) -> Splits:
        """The splits, their labels counted in this model's order instead of the data set's."""
        if self.labels == LABELS:
            return splits
        order = np.array([self.labels.index(label) for label in LABELS])
        parts = (splits.train, splits.public, splits.private)
        return Splits(*(_relabelled(part, order) for part in parts))


def _relabelled(faces: FaceSet, order: npt.NDArray[np.int64]) -> FaceSet:
    majority = np.where(faces.majority >= 0, order[faces.majority], faces.majority)
    return dataclasses.replace(
        faces, labels=order[faces.labels], majority=majority, votes=faces.votes[:, np.argsort(order)]
    )
