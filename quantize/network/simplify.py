"""What other exporters write, rewritten as ours writes it; the graph computes the same.

Each function takes an onnx.ModelProto whose constants are initializers (see ``constants.gather``) and changes
it in place. ``shapes`` are those of ``any_batch.shapes``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.network.any_batch import Shape
from quantize.network.graph_edit import Model, add, constants_of, fresh, opset, rename, replace_input
from quantize.network.onnx_graph import attribute, constants, set_constants

Values = Mapping[str, npt.NDArray[Any]]
PASSING = ("Identity", "Dropout")
# What may stand between a softmax over the labels and the output without changing which logit is whose.
FLATTENING = ("Flatten", "Reshape", "Squeeze")
KEPT_AFTER = (".weight", ".kernel", ".bias")


def drop_passing(model: Model) -> None:
    """Take out what hands its input on: Identity, Dropout, and a Cast to the type that a value has."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {each.name: each.type.tensor_type.elem_type for each in (*inferred.value_info, *inferred.input)}
    types.update({tensor.name: tensor.data_type for tensor in inferred.initializer})
    given = {each.name for each in model.graph.input}
    output = model.graph.output[0]
    for node in list(model.graph.node):
        passes = node.op_type in PASSING or (
            node.op_type == "Cast" and types.get(node.input[0]) == attribute(node, "to")
        )
        if not passes or (node.output[0] == output.name and node.input[0] in given):
            continue
        replace_input(model, node.output[0], node.input[0])
        model.graph.node.remove(node)


def drop_last_softmax(model: Model, shapes: Mapping[str, Shape], labels: int) -> bool:
    """Let the logits be the output where it is their softmax; returns whether it was."""
    makers = {name: node for node in model.graph.node for name in node.output}
    node = makers.get(model.graph.output[0].name)
    while node is not None and node.op_type in FLATTENING:
        node = makers.get(node.input[0])
    if node is None or node.op_type not in ("Softmax", "LogSoftmax"):
        return False
    shape = shapes[node.input[0]]
    axis = attribute(node, "axis", -1 if opset(model) >= 13 else 1) % len(shape)
    if axis == 0 or shape[axis] != labels or any(size != 1 for size in shape[1:axis] + shape[axis + 1 :]):
        return False
    replace_input(model, node.output[0], node.input[0])
    model.graph.node.remove(node)
    return True


def channels_first(model: Model, name: str, last: bool) -> None:
    """Call the input ``name`` and let it be N x C x S x S; ``last``: it is N x S x S x C now."""
    from onnx import helper

    graph, entry = model.graph, model.graph.input[0]
    if last:
        sizes = [each.dim_value for each in entry.type.tensor_type.shape.dim]
        for dim, size in zip(entry.type.tensor_type.shape.dim[1:], (sizes[3], *sizes[1:3]), strict=True):
            dim.dim_value = size
        inner = fresh(model, "channels_last")
        rename(model, entry.name, inner)
        graph.node.insert(0, helper.make_node("Transpose", [inner], [inner], perm=[0, 2, 3, 1]))
        graph.node[0].input[0] = entry.name = fresh(model, "channels_first")
        for node in list(graph.node):
            if (
                node.op_type == "Transpose"
                and node.input[0] == inner
                and attribute(node, "perm") == [0, 3, 1, 2]
            ):
                replace_input(model, node.output[0], entry.name)
                graph.node.remove(node)
    rename(model, entry.name, name)
    entry.name = name


def explicit_pads(model: Model, shapes: Mapping[str, Shape]) -> None:
    """Numbers of pixels in place of ``auto_pad``, which asks for as many as the size needs."""
    from onnx import helper

    values = constants(model)
    for node in model.graph.node:
        how = attribute(node, "auto_pad", b"NOTSET")
        if node.op_type not in ("Conv", "MaxPool", "AveragePool", "LpPool") or how in (b"NOTSET", b""):
            continue
        before, after = shapes[node.input[0]][2:], shapes[node.output[0]][2:]
        kernel = attribute(node, "kernel_shape") or list(values[node.input[1]].shape[2:])
        steps = attribute(node, "strides") or [1] * len(kernel)
        spread = attribute(node, "dilations") or [1] * len(kernel)
        totals = [
            max(0, (now - 1) * step + (size - 1) * wide + 1 - was) if how != b"VALID" else 0
            for was, now, size, step, wide in zip(before, after, kernel, steps, spread, strict=True)
        ]
        small, large = [total // 2 for total in totals], [total - total // 2 for total in totals]
        pads = small + large if how == b"SAME_UPPER" else large + small
        kept = [each for each in node.attribute if each.name not in ("auto_pad", "pads")]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("pads", pads)])


def linear_layers(model: Model, shapes: Mapping[str, Shape]) -> None:
    """Every product of rows with a constant matrix as a Gemm: x W' + b, its bias [out]."""
    for node in model.graph.node:
        weight = constants_of(model, node, 1) if node.op_type in ("Gemm", "MatMul") else None
        if (
            weight is None
            or weight.ndim != 2
            or len(shapes[node.input[0]]) != 2
            or attribute(node, "transA", 0)
        ):
            continue
        bias = constants_of(model, node, 2)
        if len(node.input) > 2 and node.input[2] and bias is None:
            continue
        matrix = weight if attribute(node, "transB", 0) else weight.T
        matrix = (matrix * np.float32(attribute(node, "alpha", 1.0))).astype(np.float32)
        given = [node.input[0], add(model, f"{node.output[0]}_matrix", matrix)]
        if bias is not None:
            row = np.broadcast_to(bias.reshape(-1) if bias.size > 1 else bias.reshape(1), matrix.shape[:1])
            row = (row * np.float32(attribute(node, "beta", 1.0))).astype(np.float32)
            given.append(add(model, f"{node.output[0]}_row", row))
        source = node.input[1]
        node.CopyFrom(_gemm(node, given))
        # What the layer is called after.
        node.doc_string = source


def _gemm(node: Any, given: list[str]) -> Any:
    from onnx import helper

    return helper.make_node("Gemm", given, list(node.output), name=node.name, transB=1)


def own_weights(model: Model) -> None:
    """A weight that two layers share becomes one for each: what is done to one must not change the other."""
    from onnx import numpy_helper

    values, taken = constants(model), set()
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        for index, name in enumerate(node.input[1:3], 1):
            if name in taken and name in values:
                node.doc_string = node.doc_string or name
                node.input[index] = fresh(model, f"{name}_again")
                model.graph.initializer.append(numpy_helper.from_array(values[name], node.input[index]))
            taken.add(name)


def fold_into_layers(model: Model, shapes: Mapping[str, Shape]) -> None:
    """Put into a layer's weights what scales and shifts its channels right after it.

    That is batch normalisation, and a sum or product with a constant per channel.
    """
    users = Counter(name for node in model.graph.node for name in node.input)
    makers = {node.output[0]: node for node in model.graph.node}
    output = model.graph.output[0].name
    for node in list(model.graph.node):
        change = _per_channel(model, node, shapes)
        if change is None:
            continue
        value, scale, shift = change
        layer = makers.get(value)
        if layer is None or layer.op_type not in ("Conv", "Gemm") or users[value] != 1 or value == output:
            continue
        weight, bias = constants_of(model, layer, 1), constants_of(model, layer, 2)
        if weight is None or (bias is None and len(layer.input) > 2 and layer.input[2]):
            continue
        if layer.op_type == "Gemm" and not attribute(layer, "transB", 0):
            continue
        rows = weight.astype(np.float64) * scale.reshape(-1, *[1] * (weight.ndim - 1))
        row = (bias.astype(np.float64) if bias is not None else 0.0) * scale + shift
        set_constants(model, {layer.input[1]: rows.astype(np.float32)})
        del layer.input[2:]
        layer.input.append(add(model, f"{layer.output[0]}_row", row.astype(np.float32)))
        model.graph.node.remove(node)
        makers.pop(layer.output[0])
        layer.output[0] = node.output[0]
        makers[layer.output[0]] = layer


Channels = npt.NDArray[np.float64]


def _per_channel(
    model: Model, node: Any, shapes: Mapping[str, Shape]
) -> tuple[str, Channels, Channels] | None:
    """(value, scale [C], shift [C]) where the node gives value * scale + shift, channel by channel."""
    if node.op_type == "BatchNormalization" and len([name for name in node.output if name]) == 1:
        parts = [constants_of(model, node, index) for index in (1, 2, 3, 4)]
        if any(part is None for part in parts):
            return None
        gain, bias, mean, var = (np.asarray(part, np.float64) for part in parts)
        scale = gain / np.sqrt(var + attribute(node, "epsilon", 1e-5))
        return node.input[0], scale, bias - mean * scale
    if node.op_type not in ("Add", "Sub", "Mul", "Div"):
        return None
    place = next((at for at in (1, 0) if constants_of(model, node, at) is not None), None)
    if place is None or (place == 0 and node.op_type in ("Sub", "Div")):
        return None
    value, shape = node.input[1 - place], shapes[node.output[0]]
    number = np.asarray(constants_of(model, node, place), np.float64)
    aligned = number.reshape((1,) * (len(shape) - number.ndim) + number.shape)
    if value not in shapes or shapes[value] != shape or len(shape) < 2 or aligned.size not in (1, shape[1]):
        return None
    if aligned.size > 1 and aligned.shape[1] != shape[1]:
        return None
    each = np.broadcast_to(aligned.reshape(-1), (shape[1],))
    nothing, one = np.zeros(shape[1]), np.ones(shape[1])
    return {
        "Add": (value, one, each),
        "Sub": (value, one, -each),
        "Mul": (value, each, nothing),
        "Div": (value, 1 / each, nothing),
    }[node.op_type]


def name_layers(model: Model) -> None:
    """Give every node a name of its own, and call a layer's weights ``LAYER.weight`` and ``LAYER.bias``.

    The layer is called after its weight where that has a name, else after its node; in letters, digits, _ and
    dots.
    """
    called: list[tuple[Any, str]] = []
    for number, node in enumerate(model.graph.node):
        if node.op_type in ("Conv", "Gemm", "MatMul") and constants_of(model, node, 1) is not None:
            taken = [layer for _, layer in called]
            base = layer = layer_name(node.doc_string or node.input[1], node)
            again = 1
            while layer in taken:
                again += 1
                layer = f"{base}_{again}"
            called.append((node, layer))
        node.name, node.doc_string = f"{node.op_type}_{number}", ""
    for node, layer in called:
        for index, part in ((1, "weight"), (2, "bias")):
            if constants_of(model, node, index) is not None:
                rename(model, node.input[index], f"{layer}.{part}")


def layer_name(weight: str, node: Any) -> str:
    """``features.0.0`` for the weight ``features.0.0.weight`` or the node ``/features/0/0/Conv``."""
    if re.match(r"(onnx::|val_|_|\d+$)", weight):  # an exporter's own count
        weight = (node.name or node.output[0]).removesuffix(node.op_type)
    for ending in KEPT_AFTER:
        weight = weight.removesuffix(ending)
    words = [re.sub(r"[^0-9A-Za-z_]", "_", word) for word in re.split(r"[./]", weight)]
    return ".".join(word for word in words if word.strip("_")) or "layer"
