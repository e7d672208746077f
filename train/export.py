"""A trained run to a float ONNX bundle for the runtime: calibrated, described, checked against torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
from faces import metrics, scaling
from faces.crop_rule import measured_rules
from faces.readers import DataSet
from train.checkpoint import Trained
from train.classifier import describe_run
from train.onnx_export import check, to_model
from train.predict import input_spec, predict
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
    """The bundle ``out``, a folder or a .zip, of a run before it has files.

    ``temperature`` calibrates the weights, ``accuracy`` are records for bundle.json, ``family`` names the
    data set whose crop and doubt rules were measured (``faces.crop_rule``), ``side`` is that of its faces in
    pixels. Raises DataInvalid.
    """
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


def calibrated(about: Bundle, trained: Trained, found: DataSet) -> Bundle:
    """``about`` with the temperature that is likeliest on the public split of what was ``found``.

    Where the network's logits expect nothing it is so under the priors of the labels, which the bundle then
    has, as those of ``quantize build`` have. Raises DataInvalid where a split is missing.
    """
    public = found.split("public")
    logits = predict(trained.model, public.faces, trained.recipe)
    if not trained.recipe.evidence:
        temperature = metrics.fit_temperature(logits, public.labels)
    else:
        about = scaling.expecting(about, logits, found.split("train"), public, evidence=True)
        fitted = scaling.fit_engine(about, logits, public)
        temperature = fitted[scaling.reference(fitted)].temperature
    return replace(about, temperature=round(temperature, 4))


def export(trained: Trained, about: Bundle, batch: int = 0) -> Bundle:
    """Write the bundle ``about``; what stood there is replaced once the new one is whole.

    ``about``: see ``describe`` and ``calibrated``. ``batch``: that of ``to_onnx``. Raises BuildFailed,
    StorageFailed and UsageError.
    """
    bundle_writer.refuse_output(about.path)
    network = Model({".onnx": to_onnx(trained, batch)}, "float32")
    return bundle_writer.write(about.path, *bundle_writer.compose(about, {"onnx": network}))
