"""An ONNX graph in our normal form as a torch network, for what needs one: LiteRT's converter, other sizes.

Each operator that can be read has one line in ``OPERATORS``; any other is refused by name. Layers are called
after their weights (``features.0.0`` for ``features.0.0.weight``), so that recipes can name them as they name
a training run's.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import fx, nn

from edge.errors import DataInvalid
from quantize.network.onnx_graph import constants, in_torch

Constant = npt.NDArray[Any]


def to_torch(content: bytes, where: str) -> nn.Module:
    """The network of an ONNX file in our normal form, in evaluation mode.

    ``where`` names it in messages. Raises DataInvalid.
    """
    import onnx

    return _Reading(onnx.shape_inference.infer_shapes(onnx.load_from_string(content)), where).network()


class _Reading:
    """One graph being read: what each of its values is, in torch or as a constant."""

    def __init__(self, model: Any, where: str) -> None:
        self._where, self._proto = where, model.graph
        self.constants: dict[str, Constant] = constants(model)
        self.values: dict[str, fx.Node] = {}
        self.shapes = {
            each.name: [dim.dim_value for dim in each.type.tensor_type.shape.dim]
            for each in (*model.graph.value_info, *model.graph.output, *model.graph.input)
        }
        self._root, self.graph = nn.Module(), fx.Graph()

    def network(self) -> nn.Module:
        """Read the nodes, in the graph's order."""
        self.values[self._proto.input[0].name] = self.graph.placeholder("faces")
        for node in self._proto.node:
            self._read(node)
        self.graph.output(self.values[self._proto.output[0].name])
        return fx.GraphModule(self._root, self.graph).eval()

    def _read(self, node: Any) -> None:
        from onnx import helper

        settings = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type not in OPERATORS:
            known = ", ".join(sorted(OPERATORS))
            raise DataInvalid(
                f"'{self._where}': operator {node.op_type} ('{node.name}') cannot be read; known are {known}"
            )
        try:
            given = OPERATORS[node.op_type](self, node, settings)
        except (AttributeError, KeyError, ValueError, IndexError, RuntimeError) as error:
            raise DataInvalid(
                f"'{self._where}': operator {node.op_type} ('{node.name}') is used in a way that cannot "
                f"be read: {error}"
            ) from error
        for name, value in zip(node.output, given if isinstance(given, list) else [given], strict=True):
            self.values[name] = value

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
            place = f"constant_{len(self.values)}"
            # Its own dtype but for doubles, which no engine of ours computes in.
            tensor = torch.from_numpy(self.constants[name].astype(np.float32))
            self._root.register_buffer(place, tensor)
            self.values[name] = self.graph.get_attr(place)
        return self.values[name]

    def layer(self, node: Any, module: nn.Module, given: fx.Node | None = None) -> fx.Node:
        """Put ``module`` into the network, called after its weight or else after its node, and apply it.

        To ``given``, else to the node's first input.
        """
        weight = node.input[1] if len(node.input) > 1 and node.input[1] in self.constants else ""
        path = in_torch(weight if weight.endswith(".weight") else f"{node.name}.weight").removesuffix(
            ".weight"
        )
        parent, _, last = path.rpartition(".")
        holder = self._root
        for word in parent.split(".") if parent else ():
            if not hasattr(holder, word):
                holder.add_module(word, nn.Module())
            holder = holder.get_submodule(word)
        holder.add_module(last, module)
        return self.graph.call_module(path, (given or self.value(node, 0),))

    def call(self, function: Callable[..., Any], *arguments: Any, **settings: Any) -> fx.Node:
        """Apply a function."""
        return self.graph.call_function(function, arguments, settings)


Settings = Mapping[str, Any]


def _conv(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    weight, bias = reading.constant(node, 1), reading.constant(node, 2)
    if weight is None or weight.ndim != 4:
        raise ValueError("only convolutions over pictures, with constant weights, are known")
    groups = settings.get("group", 1)
    module = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        tuple(weight.shape[2:]),
        stride=tuple(settings.get("strides", (1, 1))),
        dilation=tuple(settings.get("dilations", (1, 1))),
        groups=groups,
        bias=bias is not None,
    )
    module.weight.data = torch.from_numpy(weight.copy())
    if bias is not None:
        module.bias.data = torch.from_numpy(bias.copy())
    module.padding, before = _padding(settings)
    padded = reading.call(F.pad, reading.value(node, 0), before) if before else None
    return reading.layer(node, module, padded)


def _padding(settings: Settings) -> tuple[tuple[int, int], tuple[int, int, int, int] | None]:
    """What torch's layer pads itself, and what must be padded before it (left, right, top, bottom)."""
    top, left, bottom, right = settings.get("pads", (0, 0, 0, 0))
    if (top, left) == (bottom, right):
        return (top, left), None
    return (0, 0), (left, right, top, bottom)


def _batch_norm(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    scale, bias, mean, var = (reading.constant(node, index) for index in (1, 2, 3, 4))
    if scale is None or bias is None or mean is None or var is None:
        raise ValueError("its statistics are missing")
    rows = len(reading.shapes.get(node.input[0], [0] * 4)) == 2
    module = (nn.BatchNorm1d if rows else nn.BatchNorm2d)(len(scale), eps=settings.get("epsilon", 1e-5))
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


class _HardSigmoid(nn.Module):  # type: ignore[misc]
    """clip(slope x + middle, 0, 1): Keras' has other numbers than torch's."""

    def __init__(self, slope: float, middle: float) -> None:
        super().__init__()
        self.slope, self.middle = slope, middle

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape; the same shape."""
        return (x * self.slope + self.middle).clamp(0.0, 1.0)


def _hard_sigmoid(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    slope, middle = settings.get("alpha", 0.2), settings.get("beta", 0.5)
    known = abs(slope - 1 / 6) < 1e-6 and abs(middle - 0.5) < 1e-6
    return reading.layer(node, nn.Hardsigmoid() if known else _HardSigmoid(slope, middle))


def _gemm(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    weight, bias = reading.constant(node, 1), reading.constant(node, 2)
    if weight is None or not settings.get("transB", 0):
        raise ValueError("only x W' + b is known")
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    module.weight.data = torch.from_numpy(weight.copy())
    if bias is not None:
        module.bias.data = torch.from_numpy(bias.copy())
    return reading.layer(node, module)


def _mean(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    axes = settings.get("axes")
    if axes is None:
        axes = reading.constant(node, 1)
    if axes is None:
        raise ValueError("a mean over everything is no row per face")
    return reading.call(
        torch.mean,
        reading.value(node, 0),
        dim=tuple(int(axis) for axis in axes),
        keepdim=bool(settings.get("keepdims", 1)),
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
    spread = tuple(settings.get("dilations", (1, 1)))
    if node.op_type == "MaxPool":
        return reading.layer(node, nn.MaxPool2d(**shape, dilation=spread))
    if spread != (1, 1):
        raise ValueError("a mean with gaps is not known")
    return reading.layer(
        node, nn.AvgPool2d(**shape, count_include_pad=bool(settings.get("count_include_pad", 0)))
    )


def _flat(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    if settings.get("axis", 1) != 1:
        raise ValueError("only axis 1 is known")
    return reading.call(torch.flatten, reading.value(node, 0), 1)


def _reshape(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    """A row per face, or the sizes that are given; 0 is the input's own size."""
    if len(reading.shapes.get(node.output[0], ())) == 2:
        return reading.call(torch.flatten, reading.value(node, 0), 1)
    wanted, given = reading.constant(node, 1), reading.shapes.get(node.input[0], [])
    if wanted is None:
        raise ValueError("its shape is missing")
    sizes = [given[axis] if size == 0 and axis else int(size) for axis, size in enumerate(wanted)]
    if sizes[0] == 0:
        # The batch's size is known in the exported program only.
        sizes[0] = reading.graph.call_method("size", (reading.value(node, 0), 0))
    return reading.call(torch.reshape, reading.value(node, 0), tuple(sizes))


def _squeeze(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    if len(reading.shapes.get(node.output[0], ())) != 2:
        raise ValueError("only a row per face is known")
    return reading.call(torch.flatten, reading.value(node, 0), 1)


def _matmul(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    return reading.call(torch.matmul, reading.value(node, 0), reading.value(node, 1))


def _transpose(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    return reading.call(torch.permute, reading.value(node, 0), tuple(settings["perm"]))


def _pad(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    pads, value, mode = (
        reading.constant(node, 1),
        reading.constant(node, 2),
        settings.get("mode", b"constant"),
    )
    if pads is None or len(pads) != 8 or any(pads[[0, 1, 4, 5]]) or len(node.input) > 3:
        raise ValueError("only pads around a picture are known")
    sides = tuple(int(pads[place]) for place in (3, 7, 2, 6))  # left, right, top, bottom
    how = {b"constant": "constant", b"reflect": "reflect", b"edge": "replicate"}[mode]
    extra = {"value": float(value) if value is not None else 0.0} if how == "constant" else {}
    return reading.call(F.pad, reading.value(node, 0), sides, mode=how, **extra)


def _slice(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    starts, ends, axes, steps = (reading.constant(node, index) for index in (1, 2, 3, 4))
    if starts is None or ends is None:
        raise ValueError("its ends are missing")
    found = reading.value(node, 0)
    rank = len(reading.shapes[node.input[0]])
    cuts = [slice(None)] * rank
    for place, axis in enumerate(range(len(starts)) if axes is None else axes):
        step = 1 if steps is None else int(steps[place])
        if step < 1 or int(axis) % rank == 0:
            raise ValueError("only a part of each face, forwards, is known")
        cuts[int(axis) % rank] = slice(int(starts[place]), int(ends[place]), step)
    return reading.call(operator.getitem, found, tuple(cuts))


def _split(reading: _Reading, node: Any, settings: Settings) -> list[fx.Node]:
    parts, axis = reading.constant(node, 1), settings.get("axis", 0)
    size = reading.shapes[node.input[0]][axis]
    sizes = [int(part) for part in parts] if parts is not None else -(-size // len(node.output))
    pieces = reading.call(torch.split, reading.value(node, 0), sizes, dim=axis)
    return [reading.call(operator.getitem, pieces, place) for place in range(len(node.output))]


def _prelu(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    x, slope = reading.value(node, 0), reading.value(node, 1)
    low = reading.call(torch.mul, reading.call(torch.clamp, x, max=0.0), slope)
    return reading.call(operator.add, reading.call(F.relu, x), low)


def _gelu(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    how = settings.get("approximate", b"none").decode()
    return reading.call(F.gelu, reading.value(node, 0), approximate=how)


def _softmax(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    return reading.call(torch.softmax, reading.value(node, 0), dim=settings.get("axis", -1))


def _resize(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    """By factors: nearest by whole ones, or linear between pixels' middles."""
    factors, mode = reading.constant(node, 2), settings.get("mode", b"nearest")
    place = settings.get("coordinate_transformation_mode", b"half_pixel")
    if factors is None or len(factors) != 4 or any(factors[:2] != 1) or settings.get("antialias", 0):
        raise ValueError("only a picture by factors is known")
    high, wide = (int(size) for size in reading.shapes[node.output[0]][2:])
    if mode == b"linear" and place in (b"half_pixel", b"pytorch_half_pixel"):
        return reading.call(
            F.interpolate, reading.value(node, 0), size=(high, wide), mode="bilinear", align_corners=False
        )
    if mode == b"nearest" and all(float(factor).is_integer() for factor in factors):
        return reading.call(F.interpolate, reading.value(node, 0), size=(high, wide), mode="nearest")
    raise ValueError(f"mode {mode.decode()} with {place.decode()} is not known")


def _cast(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    if settings["to"] != 1:
        raise ValueError("only float32 is known")
    return reading.graph.call_method("float", (reading.value(node, 0),))


def _concat(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
    return reading.call(
        torch.cat, [reading.value(node, k) for k in range(len(node.input))], dim=settings["axis"]
    )


Reader = Callable[["_Reading", Any, Settings], "fx.Node | list[fx.Node]"]


def _module(make: Callable[[Settings], nn.Module]) -> Callable[[_Reading, Any, Settings], fx.Node]:
    return lambda reading, node, settings: reading.layer(node, make(settings))


def _of_two(function: Callable[..., Any]) -> Callable[[_Reading, Any, Settings], fx.Node]:
    return lambda reading, node, settings: reading.call(
        function, reading.value(node, 0), reading.value(node, 1)
    )


def _of_all(function: Callable[..., Any]) -> Callable[[_Reading, Any, Settings], fx.Node]:
    def read(reading: _Reading, node: Any, settings: Settings) -> fx.Node:
        found = reading.value(node, 0)
        for index in range(1, len(node.input)):
            found = reading.call(function, found, reading.value(node, index))
        return found

    return read


def _of_one(function: Callable[..., Any]) -> Callable[[_Reading, Any, Settings], fx.Node]:
    return lambda reading, node, settings: reading.call(function, reading.value(node, 0))


OPERATORS: dict[str, Reader] = {
    "Add": _of_two(operator.add),
    "AveragePool": _pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _of_two(operator.truediv),
    "Elu": _module(lambda settings: nn.ELU(settings.get("alpha", 1.0))),
    "Erf": _of_one(torch.erf),
    "Flatten": _flat,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _module(lambda settings: nn.AdaptiveAvgPool2d(1)),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _module(lambda settings: nn.Hardswish()),
    "LeakyRelu": _module(lambda settings: nn.LeakyReLU(settings.get("alpha", 0.01))),
    "MatMul": _matmul,
    "Max": _of_all(torch.maximum),
    "MaxPool": _pool,
    "Min": _of_all(torch.minimum),
    "Mul": _of_two(operator.mul),
    "PRelu": _prelu,
    "Pad": _pad,
    "ReduceMean": _mean,
    "Relu": _module(lambda settings: nn.ReLU()),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _module(lambda settings: nn.Sigmoid()),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": _of_one(F.softplus),
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _of_two(operator.sub),
    "Tanh": _of_one(F.tanh),
    "Transpose": _transpose,
}
