"""A graph's constants made plain: float32, one initializer each, and what depends on them alone computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.network.onnx_run import Run

Model = Any  # onnx.ModelProto
# Larger results are left to be computed: folding is for weights and shapes, not to write a file full of ones.
LARGEST = 1 << 24
RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


def in_float32(model: Model) -> bool:
    """Compute in float32 what the graph computes in float16, bfloat16 or float64; returns whether it did."""
    from onnx import TensorProto, helper, numpy_helper

    others = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
    found = False

    def converted(tensor: Any) -> None:
        nonlocal found
        if tensor.data_type in others:
            found = True
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    for tensor in model.graph.initializer:
        converted(tensor)
    for node in model.graph.node:
        for each in node.attribute:
            if each.HasField("t"):
                converted(each.t)
            elif each.name in ("to", "dtype") and each.i in others:
                found = True
                each.CopyFrom(helper.make_attribute(each.name, TensorProto.FLOAT))
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type in others:
            found = True
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del model.graph.value_info[:]
    return found


def gather(model: Model) -> None:
    """Make each Constant node an initializer, and compute what depends on constants alone.

    An initializer is no input any more, as it may be one in files older than 2019.
    """
    from onnx import numpy_helper

    graph = model.graph
    for node in [each for each in graph.node if each.op_type == "Constant"]:
        graph.initializer.append(numpy_helper.from_array(constant(node), node.output[0]))
        graph.node.remove(node)
    names = {tensor.name for tensor in graph.initializer}
    inputs = [each for each in graph.input if each.name not in names]
    del graph.input[:]
    graph.input.extend(inputs)
    _fold(model, names)


def constant(node: Any) -> npt.NDArray[Any]:
    """What a Constant node gives. Raises ValueError for text and for a sparse tensor."""
    from onnx import helper, numpy_helper

    (attribute,) = node.attribute
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return np.asarray(numpy_helper.to_array(value))
    kinds = {
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
    }
    if attribute.name not in kinds:
        raise ValueError(f"constant '{node.output[0]}' is a {attribute.name}")
    return np.asarray(value, kinds[attribute.name])


def _fold(model: Model, names: set[str]) -> None:
    """Replace by initializers the values that nodes compute from initializers alone."""
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    known, foldable = set(names), []
    for node in graph.node:
        inputs = [name for name in node.input if name]
        if set(inputs) <= known and node.op_type not in RANDOM:
            known |= set(node.output)
            foldable.append(node)
    if not foldable:
        return
    wanted = sorted({name for node in foldable for name in node.output if name})
    alone = onnx.ModelProto()
    alone.CopyFrom(model)
    for part in (alone.graph.node, alone.graph.input, alone.graph.value_info):
        del part[:]
    alone.graph.node.extend(foldable)
    for name, value in Run(alone, wanted)({}).items():
        if value.size <= LARGEST:
            graph.initializer.append(numpy_helper.from_array(np.array(value, order="C"), name))
    kept = {tensor.name for tensor in graph.initializer}
    for node in foldable:
        if set(node.output) <= kept | {""}:
            graph.node.remove(node)
