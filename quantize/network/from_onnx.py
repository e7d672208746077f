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

``labels`` are one of the sets in ``faces.labels`` in the order of the model's logits; ``mean`` and ``std``
are grey levels 0-255, as in bundle.json.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge import strict
from edge.bundle_files.onnx_file import refuse_external_data
from edge.bundle_files.sections import InputSpec
from edge.engine import first_line
from edge.errors import DataInvalid, ModelMismatch, RecipeInvalid
from edge.strict import within
from faces.labels import LABEL_SETS
from quantize.network.normal_form import channels_last, input_sizes, normal_form
from quantize.network.source import Source

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
    """The network of ``path``, its graph in our normal form.

    Raises DataInvalid for what is no classifier of faces, RecipeInvalid for the .toml, BuildFailed.
    """
    content = _content(path)
    about = read_about(path.with_suffix(".toml"))
    _check(content, path, about)
    return Source(
        name=about.name,
        backbone="network",
        model=None,
        labels=about.labels,
        input=about.input,
        recipe_text=about.text,
        recipe_sha256=hashlib.sha256(about.text.encode()).hexdigest(),
        weights_sha256=hashlib.sha256(content).hexdigest(),
        recipe_file="model.toml",
        origin={"trained_on": about.trained_on, "terms": about.terms},
        graph=normal_form(content, about.input, len(about.labels), str(path)),
    )


def read_about(path: Path) -> About:
    """The .toml of a model. Raises RecipeInvalid."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editors write a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RecipeInvalid(
            f"an .onnx model needs its labels and its input described in '{path}', "
            f"which cannot be read: {reason}"
        ) from error
    table = strict.read_toml(text, str(path), KEYS, RecipeInvalid)
    named = table.get("labels")
    known = LABEL_SETS.values()
    if not isinstance(named, list) or sorted(map(str, named)) not in [sorted(each) for each in known]:
        raise RecipeInvalid(
            f"'{path}': 'labels' must be {' or '.join(', '.join(each) for each in known)}, "
            f"in the order of the model's logits, not {named!r:.200}"
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


def _check(content: bytes, path: Path, about: About) -> None:
    """Raise DataInvalid unless the file is a float model that turns pictures into a row per face."""
    import onnx

    try:
        model = onnx.load_from_string(content)
        _refuse_shapes(model, path, about)
        _refuse_operators(model, path)
        onnx.checker.check_model(onnx.shape_inference.infer_shapes(model))
    except DataInvalid:
        raise
    except Exception as error:  # protobuf's and the checker's errors have no common parent
        raise DataInvalid(f"'{path}' is not a valid ONNX model: {first_line(error)}") from error
    _refuse_values(model, path)


def _refuse_operators(model: Any, path: Path) -> None:
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"):
            raise DataInvalid(f"'{path}' is quantized already: give the model from before quantization")
        if any(each.HasField("g") for each in node.attribute):
            raise DataInvalid(
                f"'{path}': operator {node.op_type} ('{node.name}') chooses between graphs of its own: "
                "export the model without control flow"
            )


def _refuse_values(model: Any, path: Path) -> None:
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataInvalid(f"'{path}': weight '{tensor.name}' holds values that are not finite numbers")


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
    kind = inputs[0].type.tensor_type
    if not kind.HasField("shape"):
        raise DataInvalid(f"'{path}': the rank of its input '{inputs[0].name}' is not fixed, and must be 4")
    sizes, spec = input_sizes(model), about.input
    wanted = [spec.channels, spec.size, spec.size]
    fits = len(sizes) == 4 and all(have in (None, want) for have, want in zip(sizes[1:], wanted, strict=True))
    if not fits and not channels_last(model, spec):
        raise DataInvalid(
            f"'{path}': its input is {_text(sizes)}, and '{path.with_suffix('.toml').name}' says "
            f"{_text([None, *wanted])}"
        )
    if kind.elem_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE):
        raise DataInvalid(f"'{path}': its input is no float: give the model from before quantization")


def _text(shape: list[int | None]) -> str:
    return " x ".join("N" if size is None else str(size) for size in shape)
