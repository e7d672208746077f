"""ONNX's layers and activations in torch: what has weights, or computes new values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from quantize.network.torch_reading import Operator, Reading, Settings


def _conv(reading: Reading, node: Any, settings: Settings) -> fx.Node:
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


def _batch_norm(reading: Reading, node: Any, settings: Settings) -> fx.Node:
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


def _clip(reading: Reading, node: Any, settings: Settings) -> fx.Node:
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


def _hard_sigmoid(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    slope, middle = settings.get("alpha", 0.2), settings.get("beta", 0.5)
    known = abs(slope - 1 / 6) < 1e-6 and abs(middle - 0.5) < 1e-6
    return reading.layer(node, nn.Hardsigmoid() if known else _HardSigmoid(slope, middle))


def _gemm(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    weight, bias = reading.constant(node, 1), reading.constant(node, 2)
    if weight is None or not settings.get("transB", 0):
        raise ValueError("only x W' + b is known")
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    module.weight.data = torch.from_numpy(weight.copy())
    if bias is not None:
        module.bias.data = torch.from_numpy(bias.copy())
    return reading.layer(node, module)


def _mean(reading: Reading, node: Any, settings: Settings) -> fx.Node:
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


def _pool(reading: Reading, node: Any, settings: Settings) -> fx.Node:
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


def _matmul(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    return reading.call(torch.matmul, reading.value(node, 0), reading.value(node, 1))


def _prelu(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    x, slope = reading.value(node, 0), reading.value(node, 1)
    low = reading.call(torch.mul, reading.call(torch.clamp, x, max=0.0), slope)
    return reading.call(operator.add, reading.call(F.relu, x), low)


def _gelu(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    how = settings.get("approximate", b"none").decode()
    return reading.call(F.gelu, reading.value(node, 0), approximate=how)


def _softmax(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    return reading.call(torch.softmax, reading.value(node, 0), dim=settings.get("axis", -1))


def _module(make: Callable[[Settings], nn.Module]) -> Callable[[Reading, Any, Settings], fx.Node]:
    return lambda reading, node, settings: reading.layer(node, make(settings))


def _of_two(function: Callable[..., Any]) -> Callable[[Reading, Any, Settings], fx.Node]:
    return lambda reading, node, settings: reading.call(
        function, reading.value(node, 0), reading.value(node, 1)
    )


def _of_all(function: Callable[..., Any]) -> Callable[[Reading, Any, Settings], fx.Node]:
    def read(reading: Reading, node: Any, settings: Settings) -> fx.Node:
        found = reading.value(node, 0)
        for index in range(1, len(node.input)):
            found = reading.call(function, found, reading.value(node, index))
        return found

    return read


def _of_one(function: Callable[..., Any]) -> Callable[[Reading, Any, Settings], fx.Node]:
    return lambda reading, node, settings: reading.call(function, reading.value(node, 0))


LAYERS: dict[str, Operator] = {
    "Add": _of_two(operator.add),
    "AveragePool": _pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Conv": _conv,
    "Div": _of_two(operator.truediv),
    "Elu": _module(lambda settings: nn.ELU(settings.get("alpha", 1.0))),
    "Erf": _of_one(torch.erf),
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
    "ReduceMean": _mean,
    "Relu": _module(lambda settings: nn.ReLU()),
    "Sigmoid": _module(lambda settings: nn.Sigmoid()),
    "Softmax": _softmax,
    "Softplus": _of_one(F.softplus),
    "Sub": _of_two(operator.sub),
    "Tanh": _of_one(F.tanh),
}
