"""A trained run to a float ONNX bundle for the runtime: calibrated, described, checked against torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from edge.bundle import MANIFEST, Bundle, load
from edge.errors import BuildFailed
from faces.crop_rule import measured_rules
from faces.face_set import LABELS
from train.checkpoint import Trained
from train.classifier import describe_run
from train.onnx_export import check, to_model
from train.predict import input_spec

MODEL = "model.onnx"
SCHEMA = 1


def to_onnx(trained: Trained, batch: int = 0) -> bytes:
    """The network as one ONNX file: float32 ``faces`` [N, 1, S, S] to ``logits`` [N, 7].

    N is ``batch``, or any where that is 0. Held against torch on random faces. Raises BuildFailed.
    """
    size, name = trained.recipe.model.input_size, trained.recipe.name
    draw = np.random.default_rng(1).normal(0, 1, (4, 1, size, size)).astype(np.float32)
    example = torch.from_numpy(draw)
    model = to_model(trained.model, example, name, batch)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    check(content, trained.model, example, name)
    return content


def export(
    trained: Trained,
    out: Path,
    temperature: float,
    accuracy: Sequence[Mapping[str, Any]],
    family: str,
    side: int,
    batch: int = 0,
) -> Bundle:
    """Write the bundle folder ``out``; what stood there before is replaced once the new one is whole.

    ``temperature`` calibrates the weights, ``accuracy`` are records for bundle.json, ``family`` names the
    data set whose crop and doubt rules were measured (``faces.crop_rule``), ``side`` is that of its faces in
    pixels, ``batch`` that of ``to_onnx``.
    Raises BuildFailed, DataInvalid and BundleInvalid.
    """
    rules = measured_rules(family)
    content = to_onnx(trained, batch)
    spec = input_spec(trained.recipe)
    files = {"parts": {MODEL: sha256(content).hexdigest()}, "precision": "float32"}
    table = {
        "schema": SCHEMA,
        "name": trained.recipe.name,
        "description": f"{trained.recipe.model.backbone}, {spec.size} px grey, trained on {family}",
        "labels": list(LABELS),
        "input": asdict(spec),
        "crop": {**rules["crop"], "size": side},
        "temperature": round(temperature, 4),
        "doubt": rules["doubt"],
        "files": {"onnx": files},
        "accuracy": list(accuracy),
        "made_by": {"train": describe_run(trained), "recipe": trained.recipe.text},
    }
    _refuse_stranger(out)
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (part / MODEL).write_bytes(content)
    (part / MANIFEST).write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    load(part).verify()
    shutil.rmtree(out, ignore_errors=True)
    part.replace(out)
    return load(out)


def _refuse_stranger(out: Path) -> None:
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise BuildFailed(f"'{out}' is there and is not a bundle: give another --out")
