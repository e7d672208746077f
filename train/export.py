"""A trained run to a float ONNX bundle for the runtime: calibrated, described, checked against torch."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from edge import engine as engines
from edge.bundle import MANIFEST, Bundle, load
from edge.engine import EngineOptions, ModelFile
from edge.errors import BuildFailed
from train.checkpoint import Trained
from train.crop_rule import measured_rules
from train.data import LABELS
from train.predict import input_spec
from train.subject import describe_run

MODEL = "model.onnx"
INPUT, OUTPUT = "face", "logits"
OPSET = 18
CLOSE = 1e-3  # largest difference of a logit between torch and ONNX Runtime
SCHEMA = 1


def to_onnx(trained: Trained) -> bytes:
    """The network as one ONNX file: float32 ``face`` [N, 1, S, S] to ``logits`` [N, 7], any N.

    Checked against torch on random faces in batches of 1 and 5. Raises BuildFailed.
    """
    size = trained.recipe.model.input_size
    network = nn.Sequential(trained.model).eval()
    example = torch.zeros(2, 1, size, size)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        # The exporter warns of its own insides, which nobody who exports can change.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        path = Path(folder) / MODEL
        torch.onnx.export(
            network,
            (example,),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
            external_data=False,
            verbose=False,
        )
        model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    # Names and docs of the exporter's tracing hold source lines of this machine.
    model.doc_string = ""
    for node in model.graph.node:
        del node.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        del value.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    _compare(content, network, size)
    return content


def _compare(content: bytes, network: nn.Module, size: int) -> None:
    choice = engines.choose("onnx", ["onnx"])
    session = engines.load(choice.name, ModelFile(MODEL, {".onnx": content}), EngineOptions(threads=1))
    try:
        for count in (1, 5):
            x = np.random.default_rng(count).normal(0, 1, (count, 1, size, size)).astype(np.float32)
            with torch.no_grad():
                expected = network(torch.from_numpy(x)).numpy()
            difference = float(np.abs(session.run([x])[0] - expected).max())
            if not difference <= CLOSE:
                raise BuildFailed(f"the exported network's logits differ by {difference:.2g} from torch's")
    finally:
        session.close()


def export(
    trained: Trained, out: Path, temperature: float, accuracy: Sequence[Mapping[str, Any]], family: str
) -> Bundle:
    """Write the bundle folder ``out``; what stood there before is replaced once the new one is whole.

    ``temperature`` calibrates the weights, ``accuracy`` are records for bundle.json, ``family`` names the
    data set whose crop and doubt rules were measured (``train.crop_rule``).
    Raises BuildFailed, DataInvalid and BundleInvalid.
    """
    rules = measured_rules(family)
    content = to_onnx(trained)
    spec = input_spec(trained.recipe)
    files = {"parts": {MODEL: sha256(content).hexdigest()}, "precision": "float32"}
    table = {
        "schema": SCHEMA,
        "name": trained.recipe.name,
        "description": f"{trained.recipe.model.backbone}, {spec.size} px grey, trained on {family}",
        "labels": list(LABELS),
        "input": asdict(spec),
        "crop": rules["crop"],
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
