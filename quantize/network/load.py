"""The network to quantize, from a training run or an ONNX file, looked over first."""

from __future__ import annotations

from pathlib import Path

import torch

from edge.errors import DataInvalid
from faces.face_set import LABELS
from quantize.network.from_onnx import load_onnx
from quantize.network.source import Source
from train.checkpoint import load_run
from train.predict import input_spec


def load_source(path: Path) -> Source:
    """The best network of a training run (its folder or its best.pt), or an .onnx with a .toml beside it.

    Refuses weights that are not numbers and a network that does not give one logit per label.
    Raises DataInvalid, RecipeInvalid and BuildFailed.
    """
    source = load_onnx(path) if path.suffix == ".onnx" else _of_run(path)
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
