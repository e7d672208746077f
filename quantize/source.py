"""What is to be quantized: a trained classifier, what it wants to see, and where it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge.bundle_sections import InputSpec
from edge.errors import DataInvalid
from quantize.calibrate import Splits
from train.checkpoint import load_run
from train.data import LABELS, FaceSet
from train.predict import input_spec

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


def load_source(path: Path) -> Source:
    """The best network of a training run (its folder or its best.pt), or an .onnx with a .toml beside it.

    Refuses weights that are not numbers and a network that does not give one logit per label.
    Raises DataInvalid, RecipeInvalid and BuildFailed.
    """
    if path.suffix == ".onnx":
        from quantize.onnx_source import load_onnx

        source = load_onnx(path)
    else:
        source = _of_run(path)
    for name, values in source.model.state_dict().items():
        if not torch.isfinite(values).all():
            raise DataInvalid(f"'{path}': weight '{name}' holds values that are not finite numbers")
    refuse_non_classifier(source)
    return source


def _of_run(path: Path) -> Source:
    trained = load_run(path)
    return Source(
        name=trained.recipe.name,
        backbone=trained.recipe.model.backbone,
        model=trained.model.eval(),
        labels=LABELS,
        input=input_spec(trained.recipe),
        recipe_text=trained.recipe.text,
        recipe_sha256=trained.recipe.sha256,
        weights_sha256=trained.sha256,
        origin={"init": trained.init, "teachers": trained.teachers},
    )


def refuse_non_classifier(source: Source) -> None:
    """Raise DataInvalid unless the network turns N faces into N rows of one finite logit per label."""
    with torch.no_grad():
        given = source.model(source.example(2))
    wanted = (2, len(source.labels))
    if not isinstance(given, torch.Tensor) or tuple(given.shape) != wanted:
        shape = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
        raise DataInvalid(
            f"model '{source.name}' is no classifier of {len(source.labels)} labels: "
            f"2 faces give {shape}, not {wanted}"
        )
    if not torch.isfinite(given).all():
        raise DataInvalid(f"model '{source.name}' gives logits that are not finite numbers")
