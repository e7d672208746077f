"""A trained network to float ONNX and to a saved torch program, each checked against the network itself."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

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


def fold(model: nn.Module) -> nn.Module:
    """The network with each batch normalisation folded into the convolution before it."""
    from torch.fx.experimental.optimization import fuse

    try:
        return fuse(model).eval()
    except Exception as error:
        raise BuildFailed(f"the network cannot be traced: {error}") from error


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
    """Silence notes that libraries address to their own developers: deprecations, absent packages."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
