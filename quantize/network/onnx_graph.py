"""Rewrites of an ONNX graph that keep its values and make it smaller or faster."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import BuildFailed
from train.onnx_export import tidy

__all__ = [
    "Model",
    "attribute",
    "constants",
    "drop_zero_points",
    "in_torch",
    "layers",
    "layers_called",
    "pool_means",
    "tidy",
    "uint8_input",
]

Model = Any  # onnx.ModelProto


def pool_means(model: Model, pictures: Collection[str] | None = None) -> int:
    """A mean over both axes of a picture as the pooling that it is, for which engines have an int8 kernel.

    ``pictures`` names the values that are [N, C, H, W]; None: all that a mean is taken of. Returns how many
    were rewritten.
    """
    from onnx import helper

    values = constants(model)
    nodes = model.graph.node
    found = [
        node
        for node in nodes
        if node.op_type == "ReduceMean"
        and (pictures is None or node.input[0] in pictures)
        and _is_spatial(node, values)
    ]
    for node in found:
        keep = next((each.i for each in node.attribute if each.name == "keepdims"), 1)
        pooled = node.output[0] if keep else f"{node.output[0]}_pooled"
        new = [helper.make_node("GlobalAveragePool", [node.input[0]], [pooled], name=f"{node.name}_pool")]
        if not keep:
            new.append(
                helper.make_node("Flatten", [pooled], [node.output[0]], name=f"{node.name}_flat", axis=1)
            )
        at = list(nodes).index(node)
        nodes.remove(node)
        for step, each in enumerate(new):
            nodes.insert(at + step, each)
    return len(found)


def _is_spatial(node: Any, values: dict[str, npt.NDArray[Any]]) -> bool:
    axes = next((list(each.ints) for each in node.attribute if each.name == "axes"), None)
    if axes is None and len(node.input) > 1 and node.input[1] in values:
        axes = values[node.input[1]].tolist()
    return axes is not None and sorted(axes) in ([2, 3], [-2, -1])


def uint8_input(model: Model) -> bool:
    """Take the quantizer off the input, so that the graph is fed the integers themselves.

    Returns False, changing nothing, unless the one thing done with the input is to quantize it to uint8.
    """
    from onnx import TensorProto

    graph = model.graph
    given = graph.input[0]
    users = [node for node in graph.node if given.name in node.input]
    if len(users) != 1 or users[0].op_type != "QuantizeLinear":
        return False
    quantizer = users[0]
    zero = constants(model).get(quantizer.input[2]) if len(quantizer.input) > 2 else None
    if zero is None or zero.dtype != np.uint8:
        return False
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == quantizer.output[0]:
                node.input[index] = given.name
    graph.node.remove(quantizer)
    given.type.tensor_type.elem_type = TensorProto.UINT8
    return True


def take_grey_levels(model: Model, scales: Sequence[float], zeros: Sequence[int]) -> None:
    """Feed the graph uint8: ``(level - zero) * scale``, per channel or one for all, is what was its input."""
    from onnx import TensorProto, helper, numpy_helper

    graph, entry = model.graph, model.graph.input[0]
    inner, scale, zero = (f"{entry.name}_{word}" for word in ("normalised", "step", "zero"))
    for node in graph.node:
        node.input[:] = [inner if name == entry.name else name for name in node.input]
    single = len(scales) == 1
    for name, values, kind in ((scale, scales, np.float32), (zero, zeros, np.uint8)):
        array = np.array(values[0] if single else values, kind)
        graph.initializer.append(numpy_helper.from_array(array, name))
    axis: dict[str, Any] = {} if single else {"axis": 1}
    node = helper.make_node(
        "DequantizeLinear", [entry.name, scale, zero], [inner], name=f"{inner}_node", **axis
    )
    graph.node.insert(0, node)
    entry.type.tensor_type.elem_type = TensorProto.UINT8


def drop_zero_points(model: Model) -> int:
    """Leave out the zero points of constant weights and biases where all are 0, which absence means too.

    Returns how many were dropped. A zero point per channel is a tenth of a small network's file.
    """
    values = constants(model)
    dropped = 0
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or len(node.input) < 3 or node.input[0] not in values:
            continue
        if node.input[2] in values and not values[node.input[2]].any():
            del node.input[2:]
            dropped += 1
    return dropped


def constants(model: Model) -> dict[str, npt.NDArray[Any]]:
    """The graph's initializers by name."""
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def set_constants(model: Model, values: Mapping[str, npt.NDArray[Any]]) -> None:
    """Give the initializers called so these values."""
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values[tensor.name]), tensor.name))


def layers(model: Model) -> list[tuple[str, str]]:
    """(node name, layer name) of each layer that has weights, from input to output.

    A layer is named after its weight: ``features.0.0`` for the weight ``features.0.0.weight``.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    return [
        (node.name, node.input[1].removesuffix(".weight"))
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in weights
    ]


def layer_sizes(model: Model) -> list[int]:
    """How many weights each of ``layers`` has."""
    values = constants(model)
    weights = {node.name: node.input[1] for node in model.graph.node if len(node.input) > 1}
    return [int(values[weights[node]].size) for node, _ in layers(model)]


def layers_called(model: Model, patterns: Sequence[str]) -> list[str]:
    """Names of the nodes of the layers that ``patterns`` mean. Raises BuildFailed where one means none."""
    known = layers(model)
    return [known[number][0] for number in layer_numbers(model, patterns)]


# Each of its values is made of one value of the layer before: a layer in float stays so up to here.
ACTIVATIONS = frozenset({"Clip", "HardSigmoid", "HardSwish", "Mul", "Relu", "Sigmoid"})


def with_activations(model: Model, nodes: Sequence[str]) -> list[str]:
    """The ``nodes``, and those that compute their activations from nothing but their outputs.

    SiLU is a sigmoid and a product; the product of a gate and what it gates is no activation.
    """
    constant = {tensor.name for tensor in model.graph.initializer}
    made, found = set(), list(nodes)
    for node in model.graph.node:
        inputs = {name for name in node.input if name and name not in constant}
        if node.name in nodes:
            made |= set(node.output)
        elif node.op_type in ACTIVATIONS and inputs and inputs <= made:
            made |= set(node.output)
            found.append(node.name)
    return found


def layer_numbers(model: Model, patterns: Sequence[str]) -> list[int]:
    """Which of ``layers`` the ``patterns`` mean: "first", "last", or patterns of layer names.

    Raises BuildFailed where a pattern means none.
    """
    known = layers(model)
    chosen: list[int] = []
    for pattern in patterns:
        if pattern in ("first", "last"):
            found = [0 if pattern == "first" else len(known) - 1]
        else:
            found = [number for number, (_, layer) in enumerate(known) if fnmatch.fnmatchcase(layer, pattern)]
        if not found:
            raise BuildFailed(f"keep_float: no layer is called '{pattern}'")
        chosen += found
    return list(dict.fromkeys(chosen))


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """The value of a node's attribute; ``default`` where it is not written."""
    from onnx import helper

    found = next((each for each in node.attribute if each.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def in_torch(name: str) -> str:
    """What the weight ``name`` is called in torch, where nothing may be called as a method of nn.Module is.

    Needs torch.
    """
    from torch import nn

    *words, last = name.split(".")
    return ".".join([*(f"{word}_" if hasattr(nn.Module, word) else word for word in words), last])
