"""An ONNX graph of a convolutional classifier as a torch network, layer by layer.

Each operator that such networks are made of has one line in ``OPERATORS``; any other is refused by name.
Layers are called after their weights (``features.0.0`` for ``features.0.0.weight``), so that recipes can name
them as they name a training run's.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import fx, nn

from edge.errors import DataInvalid

Constant = npt.NDArray[Any]


def to_torch(model: Any, where: str) -> nn.Module:
    """The network of an onnx.ModelProto whose shapes were inferred, in evaluation mode, without last softmax.

    ``where`` names the file in messages. Raises DataInvalid.
    """
    return _Reading(model, where).network()


class _Reading:
    """One graph being read: what each of its values is, in torch or as a constant."""

    def __init__(self, model: Any, where: str) -> None:
        from onnx import numpy_helper

        self._where, self._proto = where, model.graph
        self.constants: dict[str, Constant] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        for name, values in self.constants.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise DataInvalid(f"'{where}': weight '{name}' holds values that are not finite numbers")
        self.values: dict[str, fx.Node] = {}
        self.ranks = {
            each.name: len(each.type.tensor_type.shape.dim)
            for each in (*model.graph.value_info, *model.graph.output)
        }
        self._root, self.graph = nn.Module(), fx.Graph()

    def network(self) -> nn.Module:
        """Read the nodes that the output depends on, in the graph's order."""
        output = self._proto.output[0].name
        given = next(each.name for each in self._proto.input if each.name not in self.constants)
        self.values[given] = self.graph.placeholder("faces")
        needed = self._needed(output)
        for node in self._proto.node:
            if node.output[0] in needed:
                self._read(node, output)
        if output not in self.values:
            raise DataInvalid(f"'{self._where}' is no classifier: its output does not depend on its input")
        self.graph.output(self.values[output])
        return fx.GraphModule(self._root, self.graph).eval()

    def _needed(self, output: str) -> set[str]:
        """Values on the way to the output; a Reshape's shape is told by the ranks, so not followed."""
        makers = {node.output[0]: node for node in self._proto.node}
        needed: set[str] = set()
        waiting = [output]
        while waiting:
            name = waiting.pop()
            if name in needed or name not in makers:
                continue
            needed.add(name)
            node = makers[name]
            waiting += node.input[:1] if node.op_type == "Reshape" else node.input
        return needed

    def _read(self, node: Any, output: str) -> None:
        from onnx import helper, numpy_helper

        settings = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type == "Constant":
            self.constants[node.output[0]] = numpy_helper.to_array(settings["value"])
        elif node.op_type in ("Softmax", "LogSoftmax") and node.output[0] == output:
            self.values[output] = self.values[node.input[0]]
        elif node.op_type not in OPERATORS:
            known = ", ".join(sorted(OPERATORS))
            raise DataInvalid(
                f"'{self._where}': operator {node.op_type} ('{node.name}') cannot be read; known are {known}"
            )
        else:
            try:
                self.values[node.output[0]] = OPERATORS[node.op_type](self, node, settings)
            except (KeyError, ValueError, IndexError, RuntimeError) as error:
                raise DataInvalid(
                    f"'{self._where}': operator {node.op_type} ('{node.name}') is used in a way that cannot "
                    f"be read: {error}"
                ) from error

    def constant(self, node: Any, index: int) -> Constant | None:
        """The node's input ``index`` as a constant; None where it has none. Raises ValueError for a value."""
        if index >= len(node.input) or not node.input[index]:
            return None
        if node.input[index] not in self.constants:
            raise ValueError(f"its input '{node.input[index]}' is not constant")
        return self.constants[node.input[index]]

    def value(self, node: Any, index: int) -> fx.Node:
        """The node's input ``index``; a constant becomes a buffer of the network."""
        name = node.input[index]
        if name not in self.values:
            place = f"constant_{re.sub(r'[^0-9A-Za-z_]', '_', name)}"
            # Its own dtype but for doubles, which no engine of ours computes in.
            tensor = torch.from_numpy(self.constants[name].astype(np.float32))
            self._root.register_buffer(place, tensor)
            self.values[name] = self.graph.get_attr(place)
        return self.values[name]

    def layer(self, node: Any, module: nn.Module) -> fx.Node:
        """Put ``module`` into the network, called after its weight or else after its node, and apply it."""
        weight = node.input[1] if len(node.input) > 1 and node.input[1] in self.constants else ""
        words = (weight.removesuffix(".weight") or node.name or node.output[0]).split(".")
        path = ".".join(re.sub(r"\W", "_", word) for word in words if word) or "layer"
        parent, _, last = path.rpartition(".")
        holder = self._root
        for word in parent.split(".") if parent else ():
            if not hasattr(holder, word):
                holder.add_module(word, nn.Module())
            holder = holder.get_submodule(word)
        taken = dict(holder.named_children())
        while last in taken:  # weights that two layers share, or names that differ in signs alone
            last += "_"
        holder.add_module(last, module)
        return self.graph.call_module(f"{parent}.{last}" if parent else last, (self.value(node, 0),))

    def call(self, function: Callable[..., Any], *arguments: Any, **settings: Any) -> fx.Node:
        """Apply a function."""
        return self.graph.call_function(function, arguments, settings)


Settings = Mapping[str, Any]


def _conv(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    weight, bias = reading.constant(node, 1), reading.constant(node, 2)
    if weight is None or weight.ndim != 4:
        raise ValueError("only convolutions over pictures are known")
    groups = settings.get("group", 1)
    module = nn.Conv2d(
        weight.shape[1] * groups, weight.shape[0], tuple(weight.shape[2:]),
        stride=tuple(settings.get("strides", (1, 1))), dilation=tuple(settings.get("dilations", (1, 1))),
        groups=groups, bias=bias is not None,
    )  # fmt: skip
    module.weight.data = torch.from_numpy(weight.copy())
    if bias is not None:
        module.bias.data = torch.from_numpy(bias.copy())
    module.padding, before = _padding(settings)
    if before is None:
        return reading.layer(node, module)
    return reading.layer(node, nn.Sequential(nn.ZeroPad2d(before), module))


def _padding(settings: Settings) -> tuple[tuple[int, int], tuple[int, int, int, int] | None]:
    """What torch's layer pads itself, and what must be padded before it (left, right, top, bottom)."""
    if settings.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID", b""):
        raise ValueError("auto_pad is not known: export with explicit pads")
    top, left, bottom, right = settings.get("pads", (0, 0, 0, 0))
    if (top, left) == (bottom, right):
        return (top, left), None
    return (0, 0), (left, right, top, bottom)


def _batch_norm(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    scale, bias, mean, var = (reading.constant(node, index) for index in (1, 2, 3, 4))
    if scale is None or bias is None or mean is None or var is None:
        raise ValueError("its statistics are missing")
    module = nn.BatchNorm2d(len(scale), eps=settings.get("epsilon", 1e-5))
    module.load_state_dict(
        {
            "weight": torch.from_numpy(scale.copy()),
            "bias": torch.from_numpy(bias.copy()),
            "running_mean": torch.from_numpy(mean.copy()),
            "running_var": torch.from_numpy(var.copy()),
            "num_batches_tracked": torch.tensor(0),
        }
    )
    return reading.layer(node, module)


def _clip(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    low, high = (reading.constant(node, index) for index in (1, 2))
    bounds = (
        float(low) if low is not None else settings.get("min", float("-inf")),
        float(high) if high is not None else settings.get("max", float("inf")),
    )
    return reading.layer(node, nn.ReLU6() if bounds == (0.0, 6.0) else nn.Hardtanh(*bounds))


def _hard_sigmoid(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    slope, middle = settings.get("alpha", 0.2), settings.get("beta", 0.5)
    if abs(slope - 1 / 6) > 1e-6 or abs(middle - 0.5) > 1e-6:
        raise ValueError(f"its slope is {slope:.4f}, and 1/6 is known")
    return reading.layer(node, nn.Hardsigmoid())


def _gemm(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    weight, bias = reading.constant(node, 1), reading.constant(node, 2)
    if weight is None or settings.get("transA", 0) or settings.get("beta", 1.0) != 1.0:
        raise ValueError("only x W + b is known")
    matrix = weight if settings.get("transB", 0) else weight.T
    return reading.layer(node, _linear(matrix * np.float32(settings.get("alpha", 1.0)), bias))


def _matmul(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    weight = reading.constant(node, 1)
    if weight is None or weight.ndim != 2:
        raise ValueError("only a product with a constant matrix is known")
    return reading.layer(node, _linear(weight.T, None))


def _linear(matrix: Constant, bias: Constant | None) -> nn.Linear:
    module = nn.Linear(matrix.shape[1], matrix.shape[0], bias=bias is not None)
    module.weight.data = torch.from_numpy(np.ascontiguousarray(matrix, np.float32))
    if bias is not None:
        module.bias.data = torch.from_numpy(np.broadcast_to(bias, matrix.shape[:1]).astype(np.float32))
    return module


def _mean(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    axes = settings.get("axes")
    if axes is None:
        axes = reading.constant(node, 1)
    if axes is None or sorted(int(axis) % 4 for axis in axes) != [2, 3]:
        raise ValueError("only the mean over a picture is known")
    return reading.call(
        torch.mean, reading.value(node, 0), dim=(2, 3), keepdim=bool(settings.get("keepdims", 1))
    )


def _pool(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    padding, before = _padding(settings)
    if before is not None:
        raise ValueError("its padding is uneven")
    shape = {
        "kernel_size": tuple(settings["kernel_shape"]),
        "stride": tuple(settings.get("strides", (1, 1))),
        "padding": padding,
        "ceil_mode": bool(settings.get("ceil_mode", 0)),
    }
    if node.op_type == "MaxPool":
        return reading.layer(node, nn.MaxPool2d(**shape))
    return reading.layer(
        node, nn.AvgPool2d(**shape, count_include_pad=bool(settings.get("count_include_pad", 0)))
    )


def _flat(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    """Flatten, and a Reshape or Squeeze that does the same: whatever ends in a row per face."""
    if node.op_type == "Flatten" and settings.get("axis", 1) != 1:
        raise ValueError("only axis 1 is known")
    if reading.ranks.get(node.output[0], 2) != 2:
        raise ValueError("only a row per face is known")
    return reading.call(torch.flatten, reading.value(node, 0), 1)


def _concat(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    return reading.call(
        torch.cat, [reading.value(node, k) for k in range(len(node.input))], dim=settings["axis"]
    )


def _same(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    return reading.value(node, 0)


def _module(make: Callable[[Settings], nn.Module]) -> Callable[[_Reading, Any, Settings], fx.Node]:
    return lambda reading, node, settings: reading.layer(node, make(settings))


def _of_two(function: Callable[..., Any]) -> Callable[[_Reading, Any, Settings], fx.Node]:
    return lambda reading, node, settings: reading.call(
        function, reading.value(node, 0), reading.value(node, 1)
    )


OPERATORS: dict[str, Callable[[_Reading, Any, Settings], fx.Node]] = {
    "Add": _of_two(operator.add),
    "AveragePool": _pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _of_two(operator.truediv),
    "Dropout": _same,
    "Elu": _module(lambda settings: nn.ELU(settings.get("alpha", 1.0))),
    "Flatten": _flat,
    "Gemm": _gemm,
    "GlobalAveragePool": _module(lambda settings: nn.AdaptiveAvgPool2d(1)),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _module(lambda settings: nn.Hardswish()),
    "Identity": _same,
    "LeakyRelu": _module(lambda settings: nn.LeakyReLU(settings.get("alpha", 0.01))),
    "MatMul": _matmul,
    "MaxPool": _pool,
    "Mul": _of_two(operator.mul),
    "ReduceMean": _mean,
    "Relu": _module(lambda settings: nn.ReLU()),
    "Reshape": _flat,
    "Sigmoid": _module(lambda settings: nn.Sigmoid()),
    "Squeeze": _flat,
    "Sub": _of_two(operator.sub),
    "Tanh": lambda reading, node, settings: reading.call(F.tanh, reading.value(node, 0)),
}
