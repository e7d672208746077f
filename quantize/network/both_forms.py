"""Changes to the float network in both forms that builders start from, made alike in both."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from edge.errors import BuildFailed
from quantize.network import onnx_graph
from quantize.network.export import Exported
from quantize.network.onnx_graph import in_torch

CLIPS = ("hardtanh", "hardtanh_", "relu6", "relu6_", "clamp", "clamp_")


def changed(exported: Exported, model: Any, relu: Sequence[str] = ()) -> Exported:
    """``exported`` with the weights of ``model`` (the changed onnx.ModelProto) in its saved program too.

    ``relu`` names layers whose ReLU6 became a ReLU. Raises BuildFailed where the program has no such layer.
    """
    content: bytes = model.SerializeToString(deterministic=True)
    if exported.program is None:
        return Exported(content, None, exported.error)
    import torch

    program = torch.export.load(io.BytesIO(exported.program))
    before, values = (onnx_graph.constants(each) for each in (load(exported), model))
    new = {
        name: value
        for name, value in values.items()
        if name not in before or not np.array_equal(value, before[name])
    }
    with torch.no_grad():
        for name, value in new.items():
            parameter = program.state_dict.get(in_torch(name))
            if parameter is None or tuple(parameter.shape) != value.shape:
                raise BuildFailed(
                    f"layer '{name}' is another one in torch: its weights cannot be changed in both forms"
                )
            parameter.copy_(torch.from_numpy(value.copy()))
    if relu:
        _replace_clips(program, {in_torch(f"{name}.weight") for name in relu})
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return Exported(content, buffer.getvalue(), exported.error)


def load(exported: Exported) -> Any:
    """The ONNX form as an onnx.ModelProto to be changed."""
    return onnx.load_from_string(exported.onnx)


def _replace_clips(program: Any, weights: set[str]) -> None:
    import torch

    parameters = program.graph_signature.inputs_to_parameters
    for node in program.graph_module.graph.nodes:
        if not any(parameters.get(str(given)) in weights for given in node.args):
            continue
        for user in list(node.users):
            if user.op == "call_function" and user.target.__name__.split(".")[0] in CLIPS:
                user.target = torch.ops.aten.relu.default
                user.args, user.kwargs = (user.args[0],), {}
    program.graph_module.recompile()
