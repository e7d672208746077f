"""An ONNX graph as it is being read into torch: what each of its values is, and where layers go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import fx, nn

from edge.errors import DataInvalid
from quantize.network.onnx_graph import constants, in_torch

Constant = npt.NDArray[Any]
Settings = Mapping[str, Any]
Operator = Callable[["Reading", Any, Settings], "fx.Node | list[fx.Node]"]


class Reading:
    """One graph being read: what each of its values is, in torch or as a constant."""

    def __init__(self, model: Any, where: str, operators: Mapping[str, Operator]) -> None:
        self._where, self._proto, self._operators = where, model.graph, operators
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
        if node.op_type not in self._operators:
            known = ", ".join(sorted(self._operators))
            raise DataInvalid(
                f"'{self._where}': operator {node.op_type} ('{node.name}') cannot be read; known are {known}"
            )
        try:
            given = self._operators[node.op_type](self, node, settings)
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
