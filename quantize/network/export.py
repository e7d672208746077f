"""A trained network to float ONNX and to a saved torch program, each checked against the network itself.

Torch is imported where it is used: a network that came as ONNX is built for most engines without it.
"""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.engine import first_line
from edge.errors import BuildFailed
from quantize.network import onnx_graph
from quantize.network.source import Source
from train.onnx_export import INPUT, check, quiet, to_model

if TYPE_CHECKING:
    from torch import nn

__all__ = ["INPUT", "Exported", "export", "fold", "from_files", "quiet", "to_files"]


@dataclass(frozen=True)
class Exported:
    """The float network in the two forms that builders start from, batch normalisation folded in.

    ``onnx``: one file, float32 ``faces`` [batch, C, S, S] to ``logits`` [batch, labels], any batch unless the
    network came as a graph that is tied to one. ``program``: a saved torch.export program of the same network
    with batch 1; None where no builder needs it. ``error``: the largest difference of a logit between the
    network as it came and ``onnx``, over the largest logit.
    """

    onnx: bytes
    program: bytes | None
    error: float


def export(source: Source, program: bool = True) -> Exported:
    """Both forms, held against the network; the program only where asked for or made on the way.

    A network that came as ONNX stays that graph. Raises BuildFailed, also where a program is asked for and
    the graph cannot be read into torch.
    """
    if source.graph is not None:
        saved = _to_program(fold(source.network), source) if program else None
        return Exported(source.graph.graph, saved, source.graph.error)
    import torch

    folded = fold(source.network)
    examples = [torch.from_numpy(each) for each in source.examples(4)]
    told = [extra.name for extra in source.extras]
    model = to_model(folded, [each[:2] for each in examples], source.name, told=told, outputs=source.outputs)
    onnx_graph.pool_means(model)
    content: bytes = model.SerializeToString(deterministic=True)
    error = check(content, source.network, examples, source.name)
    return Exported(content, _to_program(folded, source), error)


def to_files(exported: Exported) -> dict[str, bytes]:
    """What a finished step keeps of it."""
    facts = json.dumps({"error": exported.error}).encode()
    program = {} if exported.program is None else {"program.pt2": exported.program}
    return {"model.onnx": exported.onnx, "facts.json": facts, **program}


def from_files(kept: Mapping[str, bytes]) -> Exported:
    """What ``to_files`` kept."""
    return Exported(kept["model.onnx"], kept.get("program.pt2"), json.loads(kept["facts.json"])["error"])


def fold(model: nn.Module) -> nn.Module:
    """A copy of the network, each batch normalisation folded into the convolution right before it.

    Raises BuildFailed where the network's forward pass cannot be traced.
    """
    import torch
    from torch import fx, nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    class Tracer(fx.Tracer):  # type: ignore[misc]
        """Keeps every convolution whole, our own kinds too: only so can what follows be folded into it."""

        def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
            """Whether the trace stops at ``module``."""
            return isinstance(module, nn.Conv2d) or super().is_leaf_module(module, qualified_name)

    try:
        copied = copy.deepcopy(model).eval()
        traced = torch.fx.GraphModule(copied, Tracer().trace(copied))
    except Exception as error:
        raise BuildFailed(f"the network cannot be traced: {error}") from error
    modules: dict[Any, nn.Module] = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        before: Any = node.args[0] if node.args else None
        if not _is(node, nn.BatchNorm2d, modules) or not _is(before, nn.Conv2d, modules):
            continue
        if len(before.users) == 1:
            fused = fuse_conv_bn_eval(modules[before.target], modules[node.target])
            traced.set_submodule(before.target, fused)
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced.eval()


def _is(node: Any, kind: type, modules: dict[Any, nn.Module]) -> bool:
    from torch import fx

    return isinstance(node, fx.Node) and isinstance(modules.get(node.target), kind)


def _to_program(folded: nn.Module, source: Source) -> bytes:
    import torch

    buffer = io.BytesIO()
    shown = tuple(torch.from_numpy(each) for each in source.examples(1))
    try:
        with quiet():
            torch.export.save(torch.export.export(folded, shown), buffer)
    except Exception as error:  # torch.export's stages have no error in common
        raise BuildFailed(f"model '{source.name}' cannot be exported: {first_line(error)}") from error
    return buffer.getvalue()
