"""ONNX's operators that move values about, in torch: shapes, cuts, joins, sizes and types."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

from quantize.network.torch_reading import Operator, Reading, Settings


def _flat(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    if settings.get("axis", 1) != 1:
        raise ValueError("only axis 1 is known")
    return reading.call(torch.flatten, reading.value(node, 0), 1)


def _reshape(reading: Reading, node: Any, settings: Settings) -> fx.Node:
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


def _squeeze(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    if len(reading.shapes.get(node.output[0], ())) != 2:
        raise ValueError("only a row per face is known")
    return reading.call(torch.flatten, reading.value(node, 0), 1)


def _transpose(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    return reading.call(torch.permute, reading.value(node, 0), tuple(settings["perm"]))


def _pad(reading: Reading, node: Any, settings: Settings) -> fx.Node:
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


def _slice(reading: Reading, node: Any, settings: Settings) -> fx.Node:
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


def _split(reading: Reading, node: Any, settings: Settings) -> list[fx.Node]:
    parts, axis = reading.constant(node, 1), settings.get("axis", 0)
    size = reading.shapes[node.input[0]][axis]
    sizes = [int(part) for part in parts] if parts is not None else -(-size // len(node.output))
    pieces = reading.call(torch.split, reading.value(node, 0), sizes, dim=axis)
    return [reading.call(operator.getitem, pieces, place) for place in range(len(node.output))]


def _resize(reading: Reading, node: Any, settings: Settings) -> fx.Node:
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


def _cast(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    if settings["to"] != 1:
        raise ValueError("only float32 is known")
    return reading.graph.call_method("float", (reading.value(node, 0),))


def _concat(reading: Reading, node: Any, settings: Settings) -> fx.Node:
    return reading.call(
        torch.cat, [reading.value(node, k) for k in range(len(node.input))], dim=settings["axis"]
    )


Reader = Callable[["Reading", Any, Settings], "fx.Node | list[fx.Node]"]


SHAPES: dict[str, Operator] = {
    "Cast": _cast,
    "Concat": _concat,
    "Flatten": _flat,
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
}
