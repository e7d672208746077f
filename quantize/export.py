"""A trained network to float ONNX and to a saved torch program, each checked against the network itself."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.fx
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edge.engine import EngineOptions, ModelFile
from edge.engine import load as load_engine
from edge.errors import BuildFailed
from quantize import graph
from quantize.source import Source

# Opset 18 with IR 8 is read by ONNX Runtime from 1.14 (2023) on, so by every board's build of it.
OPSET, IR_VERSION = 18, 8
INPUT, OUTPUT = "faces", "logits"
# Float32 rounding through some fifty layers stays two decimal digits below this.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Exported:
    """The float network in the two forms that builders start from, batch normalisation folded in.

    ``onnx``: one file, float32 ``faces`` [batch, C, S, S] to ``logits`` [batch, labels], any batch.
    ``program``: a saved torch.export program of the same network with batch 1.
    ``error``: the largest difference of a logit between network and ONNX, over the largest logit.
    """

    onnx: bytes
    program: bytes
    error: float


def export(source: Source) -> Exported:
    """Fold, export both forms, and hold the ONNX against the network. Raises BuildFailed."""
    folded = fold(source.model)
    try:
        with quiet():
            content = _to_onnx(folded, source)
            program = _to_program(folded, source)
    except Exception as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise BuildFailed(f"model '{source.name}' cannot be exported: {reason}") from error
    return Exported(content, program, check(source, content))


def to_files(exported: Exported) -> dict[str, bytes]:
    """What a finished step keeps of it."""
    facts = json.dumps({"error": exported.error}).encode()
    return {"model.onnx": exported.onnx, "program.pt2": exported.program, "facts.json": facts}


def from_files(kept: Mapping[str, bytes]) -> Exported:
    """What ``to_files`` kept."""
    return Exported(kept["model.onnx"], kept["program.pt2"], json.loads(kept["facts.json"])["error"])


def fold(model: nn.Module) -> nn.Module:
    """A copy of the network, each batch normalisation folded into the convolution right before it.

    Raises BuildFailed where the network's forward pass cannot be traced.
    """
    try:
        copied = copy.deepcopy(model).eval()
        traced = torch.fx.GraphModule(copied, _Tracer().trace(copied))
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


class _Tracer(torch.fx.Tracer):  # type: ignore[misc]
    """Keeps every convolution whole, our own kinds too: only so can what follows be folded into it."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        """Whether the trace stops at ``module``."""
        return isinstance(module, nn.Conv2d) or super().is_leaf_module(module, qualified_name)


def _is(node: Any, kind: type, modules: dict[Any, nn.Module]) -> bool:
    return isinstance(node, torch.fx.Node) and isinstance(modules.get(node.target), kind)


def check(source: Source, content: bytes) -> float:
    """The relative error of ``content`` against the network. Raises BuildFailed where it is too large."""
    example = source.example(4)
    with torch.no_grad():
        wanted = source.model(example).numpy()
    engine = load_engine(
        "onnx", ModelFile(f"{source.name}.onnx", {".onnx": content}), EngineOptions(threads=1)
    )
    try:
        given = np.concatenate([engine.run([example[:1].numpy()])[0], engine.run([example[1:].numpy()])[0]])
    finally:
        engine.close()
    error = float(np.abs(given - wanted).max() / max(1e-6, np.abs(wanted).max()))
    if not error < TOLERANCE:
        raise BuildFailed(
            f"the ONNX export of '{source.name}' differs from the network by {error:.1e} of its largest logit"
        )
    return error


def _to_onnx(folded: nn.Module, source: Source) -> bytes:
    # Batch 2 while tracing: torch.export takes a size of 1 for a constant.
    program: Any = torch.onnx.export(
        folded, (source.example(2),), dynamo=True, opset_version=OPSET, verbose=False, external_data=False,
        input_names=[INPUT], output_names=[OUTPUT], dynamic_shapes=({0: torch.export.Dim("batch")},),
    )  # fmt: skip
    model = program.model_proto
    model.ir_version = IR_VERSION
    graph.pool_means(model)
    graph.tidy(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _to_program(folded: nn.Module, source: Source) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(folded, (source.example(1),)), buffer)
    return buffer.getvalue()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what libraries say to their developers, on standard output too: that holds results only."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
