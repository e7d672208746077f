"""Changes to the float network in both forms that builders start from, made alike in both."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import onnx
import torch

from quantize.network import onnx_graph
from quantize.network.export import Exported

CLIPS = ("hardtanh", "hardtanh_", "relu6", "relu6_", "clamp", "clamp_")


def changed(exported: Exported, model: Any, relu: Sequence[str] = ()) -> Exported:
    """``exported`` with the weights of ``model`` (the changed onnx.ModelProto) in its saved program too.

    ``relu`` names layers whose ReLU6 became a ReLU.
    """
    program = torch.export.load(io.BytesIO(exported.program))
    values = onnx_graph.constants(model)
    with torch.no_grad():
        for name, parameter in program.state_dict.items():
            if name in values and tuple(values[name].shape) == tuple(parameter.shape):
                parameter.copy_(torch.from_numpy(values[name].copy()))
    if relu:
        _replace_clips(program, {f"{name}.weight" for name in relu})
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    content: bytes = model.SerializeToString(deterministic=True)
    return Exported(content, buffer.getvalue(), exported.error)


def load(exported: Exported) -> Any:
    """The ONNX form as an onnx.ModelProto to be changed."""
    return onnx.load_from_string(exported.onnx)


def _replace_clips(program: Any, weights: set[str]) -> None:
    parameters = program.graph_signature.inputs_to_parameters
    for node in program.graph_module.graph.nodes:
        if not any(parameters.get(str(given)) in weights for given in node.args):
            continue
        for user in list(node.users):
            if user.op == "call_function" and user.target.__name__.split(".")[0] in CLIPS:
                user.target = torch.ops.aten.relu.default
                user.args, user.kwargs = (user.args[0],), {}
    program.graph_module.recompile()
