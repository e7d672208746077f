"""An .onnx model as what is to be quantized, with a .toml of the same name beside it:

    schema = 1
    name = "my-net"
    labels = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"]
    trained_on = "what the network learnt from, for the card"
    terms = "under what terms the weights may be used"

    [input]
    size = 112
    colour = "rgb"
    mean = [123.675, 116.28, 103.53]
    std = [58.395, 57.12, 57.375]

``labels`` are the data set's seven in the order of the model's logits; ``mean`` and ``std`` are grey levels
0-255, as in bundle.json.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge import engine as engines
from edge import strict
from edge.bundle_sections import InputSpec
from edge.engine import EngineOptions, ModelFile, first_line
from edge.errors import BuildFailed, DataInvalid, ModelMismatch, RecipeInvalid
from edge.onnx_file import refuse_external_data
from edge.strict import within
from faces.face_set import LABELS
from quantize.network.onnx_to_torch import to_torch
from quantize.network.source import Source

# Float32 rounding through some fifty layers stays two decimal digits below this share of the largest logit.
TOLERANCE = 1e-3
KEYS = ("name", "labels", "trained_on", "terms", "input")


@dataclass(frozen=True)
class About:
    """What an .onnx file does not say of itself."""

    name: str = field(metadata=within(1, 200))
    labels: tuple[str, ...]
    trained_on: str = field(metadata=within(1, 1000))
    terms: str = field(metadata=within(1, 1000))
    input: InputSpec
    text: str


def load_onnx(path: Path) -> Source:
    """The network of ``path`` in torch, held against ONNX Runtime's answers.

    Raises DataInvalid for what is no classifier of faces, RecipeInvalid for the .toml, BuildFailed.
    """
    content = _content(path)
    about = read_about(path.with_suffix(".toml"))
    network = to_torch(_checked(content, path, about), str(path))
    source = Source(
        name=about.name,
        backbone="network",
        model=network,
        labels=about.labels,
        input=about.input,
        recipe_text=about.text,
        recipe_sha256=hashlib.sha256(about.text.encode()).hexdigest(),
        weights_sha256=hashlib.sha256(content).hexdigest(),
        recipe_file="model.toml",
        origin={"trained_on": about.trained_on, "terms": about.terms},
    )
    _compare(content, source, path)
    return source


def read_about(path: Path) -> About:
    """The .toml of a model. Raises RecipeInvalid."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecipeInvalid(
            f"an .onnx model needs its labels and its input described in '{path}', "
            f"which cannot be read: {reason}"
        ) from error
    table = strict.read_toml(text, str(path), KEYS, RecipeInvalid)
    named = table.get("labels")
    if not isinstance(named, list) or sorted(map(str, named)) != sorted(LABELS):
        raise RecipeInvalid(
            f"'{path}': 'labels' must be {', '.join(LABELS)}, in the order of the model's logits, "
            f"not {named!r:.200}"
        )
    return strict.fill(About, table, str(path), RecipeInvalid, text=text)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        refuse_external_data(content, path.name)
    except OSError as error:
        raise DataInvalid(f"'{path}' cannot be read: {error.strerror or error}") from error
    except ModelMismatch as error:
        raise DataInvalid(str(error)) from error
    return content


def _checked(content: bytes, path: Path, about: About) -> Any:
    """The model with its shapes inferred, if it turns pictures into a logit per label."""
    import onnx

    try:
        model = onnx.shape_inference.infer_shapes(onnx.load_from_string(content))
        _refuse_shapes(model, path, about)
        onnx.checker.check_model(model)
    except DataInvalid:
        raise
    except Exception as error:  # protobuf's, the checker's and the inference's errors have no common parent
        raise DataInvalid(f"'{path}' is not a valid ONNX model: {first_line(error)}") from error
    return model


def _refuse_shapes(model: Any, path: Path, about: About) -> None:
    """Raise DataInvalid unless the model has one input and one output of the right shapes."""
    import onnx

    if not model.graph.node:
        raise DataInvalid(f"'{path}' is not a valid ONNX model: it has no operators")
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in weights]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise DataInvalid(
            f"'{path}' is no classifier: it has {len(inputs)} inputs and {len(model.graph.output)} outputs, "
            "and must have one each"
        )
    spec, kind = about.input, inputs[0].type.tensor_type
    if not kind.HasField("shape"):
        raise DataInvalid(f"'{path}': the rank of its input '{inputs[0].name}' is not fixed, and must be 4")
    shape = [each.dim_value if each.HasField("dim_value") else None for each in kind.shape.dim]
    wanted = [spec.channels, spec.size, spec.size]
    if len(shape) != 4 or any(have not in (None, want) for have, want in zip(shape[1:], wanted, strict=True)):
        raise DataInvalid(
            f"'{path}': its input is {_text(shape)}, and '{path.with_suffix('.toml').name}' says "
            f"{_text([None, *wanted])}"
        )
    if kind.elem_type != onnx.TensorProto.FLOAT:
        raise DataInvalid(f"'{path}': its input is not float32: give the model from before quantization")
    _refuse_output(model.graph.output[0].type.tensor_type, path, about)


def _refuse_output(kind: Any, path: Path, about: About) -> None:
    if not kind.HasField("shape"):
        raise DataInvalid(f"'{path}': the rank of its output is not fixed, and must be 2")
    shape = [each.dim_value if each.HasField("dim_value") else None for each in kind.shape.dim]
    if len(shape) != 2:
        raise DataInvalid(f"'{path}' is no classifier: its output is {_text(shape)}, not N x labels")
    if shape[1] not in (None, len(about.labels)):
        raise DataInvalid(f"'{path}' gives {shape[1]} logits, and there are {len(about.labels)} labels")


def _compare(content: bytes, source: Source, path: Path) -> None:
    """Raise BuildFailed unless ONNX Runtime gives what the network gives in torch."""
    example = source.example(4)
    with torch.no_grad():
        ours = source.model(example).numpy()
    engine = engines.load("onnx", ModelFile(path.name, {".onnx": content}), EngineOptions(threads=1))
    try:
        theirs = np.concatenate([engine.run([face[None]])[0] for face in example.numpy()])
    except ModelMismatch as error:
        raise DataInvalid(f"'{path}' does not take one face at a time: {error}") from error
    finally:
        engine.close()
    # A softmax at the end is left out of ours: the runtime has its own.
    ours, theirs = (each - each.mean(1, keepdims=True) for each in (ours, _logits(theirs)))
    off = float(np.abs(ours - theirs).max() / max(1e-6, np.abs(theirs).max()))
    if not off < TOLERANCE:
        raise BuildFailed(f"'{path}': read into torch it differs by {off:.1e} of its largest logit")


def _logits(answers: Any) -> Any:
    """Logits but for a constant per face, where ``answers`` [N, C] are chances that sum to one."""
    chances = bool((answers >= 0).all() and np.allclose(answers.sum(1), 1, atol=1e-4))
    return np.log(np.maximum(answers, 1e-30)) if chances else answers


def _text(shape: list[int | None]) -> str:
    return " x ".join("N" if size is None else str(size) for size in shape)
