"""The network to quantize, from a training run or an ONNX file, looked over first."""

from __future__ import annotations

from pathlib import Path

from edge.errors import DataInvalid
from quantize.network.from_onnx import load_onnx
from quantize.network.source import Source

# So many values of an extra input are shown to who exports and calibrates.
CALIBRATED = 64


def load_source(path: Path) -> Source:
    """The best network of a training run (its folder or its best.pt), or an .onnx with a .toml beside it.

    Refuses weights that are not numbers and a network that does not give one logit per label. An .onnx needs
    no torch. Raises DataInvalid, RecipeInvalid and BuildFailed.
    """
    return load_onnx(path) if path.suffix.lower() == ".onnx" else _of_run(path)


def _of_run(path: Path) -> Source:
    import torch

    from train.checkpoint import load_run
    from train.predict import input_spec
    from train.systems.system import system_of

    trained = load_run(path)
    model, system = trained.model.eval(), system_of(trained.recipe)
    for name, values in model.state_dict().items():
        if not torch.isfinite(values).all():
            raise DataInvalid(f"'{path}': weight '{name}' holds values that are not finite numbers")
    source = Source(
        name=trained.recipe.name,
        backbone=trained.recipe.model.backbone,
        model=model,
        labels=trained.recipe.labels,
        input=input_spec(trained.recipe),
        recipe_text=trained.recipe.text,
        recipe_sha256=trained.recipe.sha256,
        weights_sha256=trained.sha256,
        extras=system.extras,
        told=system.told(CALIBRATED),
        outputs=system.outputs,
        evidence=trained.recipe.evidence,
        origin=trained.lineage.texts,
    )
    refuse_non_classifier(source)
    return source


def refuse_non_classifier(source: Source) -> None:
    """Raise DataInvalid unless the torch network turns N faces into N rows of one finite logit per label."""
    import torch

    with torch.no_grad():
        given = source.network(*map(torch.from_numpy, source.examples(2)))
    # What a network gives beside its logits is its own affair.
    given = given[0] if isinstance(given, tuple) and len(given) == len(source.outputs) else given
    wanted = (2, len(source.labels))
    if not isinstance(given, torch.Tensor) or tuple(given.shape) != wanted:
        shape = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
        raise DataInvalid(
            f"model '{source.name}' is no classifier of {len(source.labels)} labels: "
            f"2 faces give {shape}, not {wanted}"
        )
    if not torch.isfinite(given).all():
        raise DataInvalid(f"model '{source.name}' gives logits that are not finite numbers")
