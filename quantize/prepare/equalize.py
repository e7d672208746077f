"""Cross-layer equalization (Nagel et al., Data-Free Quantization, ICCV 2019, section 4.1).

Where one layer's channels feed the next layer's and nothing between them minds a channel's scale, the first
layer's filters are divided by ``s`` and the second's multiplied by it, so that both have equal ranges per
channel: ``s = sqrt(r1 / r2)``. A ReLU minds no positive scale, and no more does a mean over the picture; SiLU
and hard-swish do, and so does whatever else uses the values (a shortcut, squeeze-and-excitation): there
nothing is changed.

ReLU6 is a ReLU for values that stay under 6. So either only channels are scaled that never reach 6 on the
calibration faces, and no further than keeps them below it ("unclipped"); or every ReLU6 between two such
layers becomes a ReLU first ("relu", as the paper does), which changes the network where values were cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.network import onnx_graph

Array = npt.NDArray[np.float32]
ROUNDS, SETTLED = 20, 1e-3
# Beyond this a channel's filter is all but zero and its scale means nothing.
FURTHEST = 64.0
# How far below the clip a channel must stay: other faces reach a little further than those that were seen.
MARGIN = 1.25
HARMLESS = ("Relu", "GlobalAveragePool", "AveragePool", "MaxPool", "Flatten", "Dropout", "Identity")


@dataclass(frozen=True)
class Pair:
    """Two layers that channels may be scaled between, by node names; ``clip``: the ReLU6 between them, or "".

    ``before`` is the tensor that goes into that ReLU6.
    """

    first: str
    second: str
    clip: str = ""
    before: str = ""


def pairs(model: Any) -> list[Pair]:
    """Which layers of an onnx.ModelProto can be equalized, from input to output."""
    layers = dict(onnx_graph.layers(model))
    nodes = {node.name: node for node in model.graph.node}
    users: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    ends = {output.name for output in model.graph.output}
    values = onnx_graph.constants(model)
    found = []
    for first in layers:
        pair = _follow(nodes[first], users, ends, values)
        if pair and pair.second in layers and _fits(nodes[first], nodes[pair.second], values):
            found.append(pair)
    return found


def lowest_scales(model: Any, tops: Mapping[str, Array]) -> Mapping[str, Array]:
    """Per ReLU6's input, given its largest value [C] of each channel, how small ``s`` may be there.

    Infinite for a channel that comes near the clip: that is not to be scaled at all.
    """
    ceilings = dict(clips(model))
    return {
        name: np.where(top * MARGIN < ceilings[name], top * MARGIN / ceilings[name], np.inf).astype(
            np.float32
        )
        for name, top in tops.items()
    }


def clips(model: Any) -> list[tuple[str, float]]:
    """(input tensor, upper limit) of each Clip from 0 to a constant."""
    values = onnx_graph.constants(model)
    found = []
    for node in model.graph.node:
        limit = _upper_limit(node, values)
        if limit is not None:
            found.append((node.input[0], limit))
    return found


def equalize(model: Any, limits: Mapping[str, Array]) -> list[str]:
    """Scale the weights of ``model`` in place; returns the layers' names that changed.

    A pair over a ReLU6 is left alone but for channels that ``limits`` allows (see ``lowest_scales``); pairs
    without one need no limit.
    """
    known = pairs(model)
    chosen = [pair for pair in known if not pair.clip or pair.before in limits]
    weights = _Weights(model)
    done: dict[str, Array] = {}
    for _ in range(ROUNDS):
        furthest = 0.0
        for pair in chosen:
            first, second = weights.outputs(pair.first), weights.inputs(pair.second)
            scale = np.ones_like(first)
            alive = (first > 0) & (second > 0)
            scale[alive] = np.sqrt(first[alive] / second[alive])
            so_far = done.get(pair.first, np.ones_like(scale))
            lowest = np.maximum(limits[pair.before], 1 / FURTHEST) if pair.clip else 1 / FURTHEST
            wanted = np.clip(so_far * scale, lowest, FURTHEST)
            if pair.clip:
                wanted = np.where(np.isinf(limits[pair.before]), so_far, wanted)
            step = (wanted / so_far).astype(np.float32)
            weights.scale(pair.first, pair.second, step)
            done[pair.first] = so_far * step
            furthest = max(furthest, float(np.abs(step - 1).max()))
        if furthest < SETTLED:
            break
    weights.store()
    names = dict(onnx_graph.layers(model))
    return [names[node] for pair in chosen for node in (pair.first, pair.second)]


def replace_clips(model: Any) -> list[str]:
    """Turn each ReLU6 between two layers that could be equalized into a ReLU; names of the layers before."""
    wanted = {pair.clip: pair.first for pair in pairs(model) if pair.clip}
    names = dict(onnx_graph.layers(model))
    for node in model.graph.node:
        if node.name in wanted:
            node.op_type = "Relu"
            del node.input[1:]
            del node.attribute[:]
    return [names[first] for first in wanted.values()]


def _follow(
    node: Any, users: Mapping[str, list[Any]], ends: set[str], values: Mapping[str, Any]
) -> Pair | None:
    """The pair that begins at ``node``, if its values go through harmless nodes to one other layer."""
    first, clip, before = node.name, "", ""
    while len(node.output) == 1 and node.output[0] not in ends:
        following = users.get(node.output[0], [])
        if len(following) != 1 or following[0].input[0] != node.output[0]:
            return None
        node = following[0]
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            return Pair(first, node.name, clip, before)
        if not clip and _upper_limit(node, values) is not None:
            clip, before = node.name, node.input[0]
        elif node.op_type not in HARMLESS:
            return None
    return None


def _upper_limit(node: Any, values: Mapping[str, Any]) -> float | None:
    if node.op_type != "Clip" or len(node.input) < 3:
        return None
    low, high = (values.get(name) for name in node.input[1:3])
    if low is None or high is None or float(low) != 0 or float(high) <= 0:
        return None
    return float(high)


def _fits(first: Any, second: Any, values: Mapping[str, Any]) -> bool:
    """Whether the second layer has a weight for each of the first's channels: no groups but one a channel."""
    made, taken = values[first.input[1]], values[second.input[1]]
    if second.op_type == "Conv" and _groups(second) not in (1, taken.shape[0]):
        return False
    return bool(made.shape[_axes(first)[0]] == taken.shape[_axes(second)[1]])


def _axes(node: Any) -> tuple[int, int]:
    """Axes of a layer's weight: of the output channels, and of the input channels."""
    turned = any(each.name == "transB" and each.i for each in node.attribute)
    if node.op_type in ("Gemm", "MatMul") and not turned:
        return 1, 0
    # A depthwise filter's input channel is its output channel.
    return 0, 0 if node.op_type == "Conv" and _groups(node) > 1 else 1


def _groups(node: Any) -> int:
    return next((int(each.i) for each in node.attribute if each.name == "group"), 1)


class _Weights:
    """The layers' weights and biases, as arrays that can be scaled along their channels."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._nodes = {node.name: node for node in model.graph.node}
        self._values = {name: value.astype(np.float64) for name, value in onnx_graph.constants(model).items()}
        self._changed: set[str] = set()

    def _largest(self, name: str, axis: int) -> Array:
        value = np.abs(self._values[self._nodes[name].input[1]])
        return np.asarray(value.max(tuple(each for each in range(value.ndim) if each != axis)), np.float32)

    def outputs(self, name: str) -> Array:
        """The largest weight [C] of each output channel."""
        return self._largest(name, _axes(self._nodes[name])[0])

    def inputs(self, name: str) -> Array:
        """The largest weight [C] of each input channel."""
        return self._largest(name, _axes(self._nodes[name])[1])

    def scale(self, first: str, second: str, step: Array) -> None:
        """Divide ``first``'s outputs by ``step`` [C], bias too, and multiply ``second``'s inputs."""
        one, two = self._nodes[first], self._nodes[second]
        self._multiply(one.input[1], _axes(one)[0], 1 / step)
        if len(one.input) > 2:
            self._multiply(one.input[2], 0, 1 / step)
        self._multiply(two.input[1], _axes(two)[1], step)

    def _multiply(self, name: str, axis: int, factor: npt.NDArray[Any]) -> None:
        value = self._values[name]
        shape = [1] * value.ndim
        shape[axis] = -1
        self._values[name] = value * factor.astype(np.float64).reshape(shape)
        self._changed.add(name)

    def store(self) -> None:
        """Write what was changed into the model."""
        onnx_graph.set_constants(
            self._model, {name: self._values[name].astype(np.float32) for name in self._changed}
        )
