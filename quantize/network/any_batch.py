"""A graph written for one batch size, or that computes its shapes, made to take any number of faces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from quantize.network.onnx_graph import constants
from quantize.network.onnx_run import Run, batch_size

Model = Any  # onnx.ModelProto
Shape = tuple[int, ...]
# Two numbers of faces that tell which sizes follow it: no size of a network is likely to be both.
FIRST, SECOND = 2, 3


def shapes(model: Model, faces: int) -> dict[str, Shape]:
    """The shape of every value in the graph when it is given so many faces: seen, not inferred.

    Raises what ONNX Runtime raises.
    """
    entry = model.graph.input[0]
    size = [each.dim_value for each in entry.type.tensor_type.shape.dim][1:]
    names = [entry.name, *(name for node in model.graph.node for name in node.output if name)]
    seen = Run(model, names)({entry.name: np.zeros((faces, *size), np.float32)})
    known = {name: tuple(value.shape) for name, value in seen.items()}
    return {**{name: tuple(value.shape) for name, value in constants(model).items()}, **known}


def free_batch(model: Model) -> None:
    """Let the input's batch be any, and write what the graph asks of shapes so that it follows."""
    fixed = batch_size(model)
    if fixed:
        first = second = shapes(model, fixed)
    else:
        first, second = shapes(model, FIRST), shapes(model, SECOND)
    rewritten = _Rewriting(model, first, second, fixed)
    for node in list(model.graph.node):
        if node.op_type == "Reshape":
            rewritten.reshape(node)
        elif node.op_type == "Resize":
            rewritten.resize(node)
        elif node.op_type == "Expand":
            rewritten.expand(node)
    set_batch(model, None)


def set_batch(model: Model, faces: int | None) -> None:
    """Write into the graph's ends that it takes so many faces; None: any number."""
    for value in (model.graph.input[0], model.graph.output[0]):
        first = value.type.tensor_type.shape.dim[0]
        first.Clear()
        if faces is None:
            first.dim_param = "batch"
        else:
            first.dim_value = faces
    del model.graph.value_info[:]


class _Rewriting:
    """The shapes at two batch sizes (the same one twice where the graph has but one), and the graph."""

    def __init__(
        self, model: Model, first: Mapping[str, Shape], second: Mapping[str, Shape], fixed: int | None
    ) -> None:
        self._model, self._first, self._second, self._fixed = model, first, second, fixed
        self._constants = constants(model)

    def _following(self, name: str) -> list[int]:
        """The axes of a value whose size follows the number of faces."""
        one, two = self._first[name], self._second[name]
        if self._fixed:
            return [0] if one and one[0] % self._fixed == 0 else []
        return [axis for axis, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]

    def reshape(self, node: Any) -> None:
        """To a constant shape: -1 on the axis that follows the batch, numbers on the others."""
        if not self._fixed and node.input[1] in self._constants:
            return
        follows, wanted = self._following(node.output[0]), list(self._first[node.output[0]])
        if len(follows) > 1:
            return
        if follows:
            wanted[follows[0]] = -1
        self._give(node, 1, np.array(wanted, np.int64))
        kept = [each for each in node.attribute if each.name != "allowzero"]
        del node.attribute[:]
        node.attribute.extend(kept)

    def resize(self, node: Any) -> None:
        """By factors instead of to sizes, which would hold the batch's."""
        if len(node.input) < 4 or not node.input[3]:
            return
        before, after = self._first[node.input[0]], self._first[node.output[0]]
        factors = [_factor(was, now) for was, now in zip(before[1:], after[1:], strict=True)]
        kept = [each for each in node.attribute if each.name not in ("axes", "keep_aspect_ratio_policy")]
        del node.attribute[:], node.input[3:]
        node.attribute.extend(kept)
        self._give(node, 2, np.array([1.0, *factors], np.float32))

    def expand(self, node: Any) -> None:
        """With 1 on the axis that the value already has as long as the batch is."""
        if not self._fixed or node.input[1] not in self._constants:
            return
        wanted = self._constants[node.input[1]].copy()
        given = self._first[node.input[0]]
        if len(given) == len(wanted) and self._following(node.output[0]) and given[0] == wanted[0]:
            wanted[0] = 1
            self._give(node, 1, wanted)

    def _give(self, node: Any, index: int, value: Any) -> None:
        from onnx import numpy_helper

        name = f"{node.output[0]}_wanted"
        self._model.graph.initializer.append(numpy_helper.from_array(value, name))
        node.input[index] = name


def _factor(was: int, now: int) -> float:
    """The float32 by which a size ``was`` is scaled to ``now``, rounding down as Resize does."""
    factor = np.float32(now / was)
    while math.floor(np.float32(was) * factor) < now:
        factor = np.nextafter(factor, np.float32(np.inf))
    return float(factor)
