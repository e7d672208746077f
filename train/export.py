"""A trained run to a float ONNX bundle for the runtime: calibrated, described, checked against torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch

from edge import strict
from edge.bundle import Bundle
from edge.bundle_files import writer as bundle_writer
from edge.bundle_files.sections import AccuracyRecord, CropRule, DoubtRule
from edge.bundle_files.writer import Model
from edge.errors import DataInvalid
from faces.crop_rule import measured_rules
from train.checkpoint import Trained
from train.classifier import describe_run
from train.onnx_export import check, to_model
from train.predict import input_spec
from train.systems.system import system_of


def to_onnx(trained: Trained, batch: int = 0) -> bytes:
    """The network as one ONNX file: float32 ``faces`` [N, 1, S, S] to ``logits`` [N, labels].

    N is ``batch``, or any where that is 0. Held against torch on random faces. Raises BuildFailed.
    """
    size, name = trained.recipe.model.input_size, trained.recipe.name
    draw = np.random.default_rng(1).normal(0, 1, (4, 1, size, size)).astype(np.float32)
    system = system_of(trained.recipe)
    told = {name: torch.from_numpy(values) for name, values in system.told(4).items()}
    example = [torch.from_numpy(draw), *told.values()]
    model = to_model(trained.model, example, name, batch, told=list(told), outputs=system.outputs)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    check(content, trained.model, example, name)
    return content


def describe(
    trained: Trained,
    out: Path,
    temperature: float,
    accuracy: Sequence[AccuracyRecord],
    family: str,
    side: int,
) -> Bundle:
    """The bundle of a run before it has files: see ``export``. Raises DataInvalid."""
    rules, spec, recipe = measured_rules(family), input_spec(trained.recipe), trained.recipe
    return Bundle(
        path=out,
        name=recipe.name,
        description=f"{recipe.model.backbone}, {spec.size} px grey, trained on {family}",
        labels=recipe.labels,
        extras=system_of(recipe).extras,
        input=spec,
        crop=strict.fill(CropRule, {**rules["crop"], "size": side}, f"{family}: crop", DataInvalid),
        temperature=round(temperature, 4),
        doubt=strict.fill(DoubtRule, rules["doubt"], f"{family}: doubt", DataInvalid),
        files={},
        accuracy=tuple(accuracy),
        made_by={"train": describe_run(trained), "recipe": recipe.text},
    )


def export(
    trained: Trained,
    out: Path,
    temperature: float,
    accuracy: Sequence[AccuracyRecord],
    family: str,
    side: int,
    batch: int = 0,
) -> Bundle:
    """Write the bundle ``out``, a folder or a .zip; what stood there is replaced once the new one is whole.

    ``temperature`` calibrates the weights, ``accuracy`` are records for bundle.json, ``family`` names the
    data set whose crop and doubt rules were measured (``faces.crop_rule``), ``side`` is that of its faces in
    pixels, ``batch`` that of ``to_onnx``.
    Raises BuildFailed, DataInvalid, StorageFailed and UsageError.
    """
    bundle_writer.refuse_output(out)
    about = describe(trained, out, temperature, accuracy, family, side)
    network = Model({".onnx": to_onnx(trained, batch)}, "float32")
    return bundle_writer.write(out, *bundle_writer.compose(about, {"onnx": network}))
