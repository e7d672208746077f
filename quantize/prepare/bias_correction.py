"""Bias correction for quantizers that have none (Nagel et al., ICCV 2019, section 4.2).

Rounding a filter's weights moves the mean of what it gives, on the faces at hand, by the mean of what the
rounding errors would give as a filter of their own. That is taken off its bias. Each layer sees float
inputs, as in NNCF's fast bias correction: one pass over the faces does for all layers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.network import onnx_graph
from quantize.prepare.observe import Observer, Values

MEAN, ERROR = "_mean_error", "_error"


def rounded(weight: npt.NDArray[np.float32], axis: int, per_channel: bool) -> npt.NDArray[np.float32]:
    """``weight`` as 8-bit integers have it: symmetric, a scale per channel of ``axis`` or one in all."""
    axes = tuple(each for each in range(weight.ndim) if each != axis) if per_channel else None
    step = np.abs(weight).max(axes, keepdims=True) / 127
    step = np.where(step > 0, step, 1)
    return np.asarray(np.clip(np.round(weight / step), -127, 127) * step, np.float32)


def correct(
    model: Any,
    batches: Iterable[Values],
    left_out: Sequence[str],
    per_channel: bool = True,
    told: Mapping[str, Values] | None = None,
) -> list[str]:
    """Correct the biases of ``model`` (float onnx.ModelProto) in place; returns the layers' names.

    ``batches`` are float32 [B, C, S, S] each. ``left_out`` are names of nodes that stay in float.
    """
    nodes = {node.name: node for node in model.graph.node}
    layers = {
        name: layer
        for name, layer in onnx_graph.layers(model)
        if name not in left_out and nodes[name].op_type in ("Conv", "Gemm") and len(nodes[name].input) > 2
    }
    watched = _with_error_filters(model, [nodes[name] for name in layers], per_channel)
    observer = Observer(watched, [f"{name}{MEAN}" for name in layers], told=told)
    sums = {name: np.zeros(()) for name in layers}
    faces, values = 0, onnx_graph.constants(model)
    for batch in batches:
        given = observer(batch)
        faces += len(batch)
        for name in layers:
            sums[name] = sums[name] + len(batch) * _of_batch(
                given[f"{name}{MEAN}"], values[nodes[name].input[2]].size
            )
    changed = {
        nodes[name].input[2]: (values[nodes[name].input[2]] - total / faces).astype(np.float32)
        for name, total in sums.items()
    }
    onnx_graph.set_constants(model, changed)
    return list(layers.values())


def _of_batch(means: Values, channels: int) -> npt.NDArray[np.float64]:
    """The mean error [C] of a batch: a network for a fixed number of faces saw it in several parts."""
    return np.asarray(means.reshape(-1, channels).mean(0), np.float64)


def _with_error_filters(model: Any, layers: list[Any], per_channel: bool) -> Any:
    """The network, and beside each layer a filter of its rounding errors, averaged over faces and places."""
    from onnx import helper, numpy_helper

    watched = copy.deepcopy(model)
    values = onnx_graph.constants(model)
    for node in layers:
        weight = values[node.input[1]]
        turned = any(each.name == "transB" and each.i for each in node.attribute)
        axis = 0 if node.op_type == "Conv" or turned else 1
        error = rounded(weight, axis, per_channel) - weight
        watched.graph.initializer.append(numpy_helper.from_array(error, f"{node.name}{ERROR}"))
        beside = copy.deepcopy(node)
        beside.name = f"{node.name}{ERROR}_filter"
        del beside.input[1:]
        beside.input.append(f"{node.name}{ERROR}")
        beside.output[0] = f"{node.name}{ERROR}_out"
        axes = [0, 2, 3] if node.op_type == "Conv" else [0]
        watched.graph.initializer.append(
            numpy_helper.from_array(np.array(axes, np.int64), f"{node.name}{ERROR}_axes")
        )
        mean = helper.make_node(
            "ReduceMean",
            [beside.output[0], f"{node.name}{ERROR}_axes"],
            [f"{node.name}{MEAN}"],
            name=f"{node.name}{MEAN}_node",
            keepdims=0,
        )
        watched.graph.node.extend([beside, mean])
    return watched
