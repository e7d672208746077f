"""Small edits of an ONNX graph whose constants are initializers: names, constants, what is left over."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Model = Any  # onnx.ModelProto


def prune(model: Model) -> None:
    """Leave out nodes whose values nobody uses."""
    needed = {each.name for each in model.graph.output}
    for node in reversed(list(model.graph.node)):
        if needed & set(node.output):
            needed |= set(node.input)
        else:
            model.graph.node.remove(node)


def constants_of(model: Model, node: Any, index: int) -> npt.NDArray[Any] | None:
    """The constant that is the node's input ``index``; None where that is missing or a value."""
    from onnx import numpy_helper

    if index >= len(node.input) or not node.input[index]:
        return None
    found = next((each for each in model.graph.initializer if each.name == node.input[index]), None)
    return numpy_helper.to_array(found) if found is not None else None


def add(model: Model, name: str, value: npt.NDArray[Any]) -> str:
    """A new initializer called ``name`` or nearly so; returns its name."""
    from onnx import numpy_helper

    name = fresh(model, name)
    model.graph.initializer.append(numpy_helper.from_array(np.array(value, order="C"), name))
    return name


def fresh(model: Model, name: str) -> str:
    """``name``, with a number behind it where the graph has that already."""
    graph = model.graph
    taken = {each.name for each in (*graph.initializer, *graph.input)}
    taken |= {output for node in graph.node for output in node.output}
    number, chosen = 1, name
    while chosen in taken:
        number += 1
        chosen = f"{name}_{number}"
    return chosen


def replace_input(model: Model, old: str, new: str) -> None:
    """Whoever used the value ``old``, the graph's output too, uses ``new``."""
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new
    for output in model.graph.output:
        if output.name == old:
            output.name = new


def rename(model: Model, old: str, new: str) -> None:
    """Call the value or initializer ``old`` by the name ``new``; one that is called so gets another name."""
    if old == new:
        return
    other = fresh(model, new)
    if other != new:
        _rename(model, new, other)
    _rename(model, old, new)


def _rename(model: Model, old: str, new: str) -> None:
    replace_input(model, old, new)
    for tensor in model.graph.initializer:
        if tensor.name == old:
            tensor.name = new
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == old:
                node.output[index] = new


def opset(model: Model) -> int:
    """The version of ONNX's own operators that the graph is written in."""
    return next((int(each.version) for each in model.opset_import if each.domain in ("", "ai.onnx")), 1)
