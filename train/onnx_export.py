"""A torch network as one ONNX file, for any batch size or a fixed one, held against the network itself."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.engine import EngineOptions, ModelFile, first_line, load
from edge.errors import BuildFailed

if TYPE_CHECKING:
    import torch
    from torch import nn

# Opset 18 with IR 8 is read by ONNX Runtime from 1.14 (2023) on, so by every board's build of it.
OPSET, IR_VERSION = 18, 8
INPUT, OUTPUT = "faces", "logits"
# Largest error of a logit, over the largest logit: float32 rounding through some fifty layers stays two
# decimal digits below this.
TOLERANCE = 1e-3


def to_model(
    network: nn.Module,
    example: torch.Tensor | Sequence[torch.Tensor],
    name: str,
    batch: int = 0,
    *,
    told: Sequence[str] = (),
    outputs: Sequence[str] = (OUTPUT,),
) -> Any:
    """An onnx.ModelProto of ``network``: float32 ``faces`` [N, C, S, S] to ``logits`` [N, labels].

    ``example`` [2 or more, C, S, S] shows the input's shape; N is ``batch``, or any where that is 0. For a
    network that is told more than the face it is one example for each input, whose names are ``told``; one
    that gives several tensors has the names ``outputs`` for them. Holds none of the exporter's notes, which
    name places on this machine. Raises BuildFailed.
    """
    import torch

    examples = _each(example)
    # At least 2 while tracing: torch.export takes a size of 1 for a constant.
    shown = [_of_size(each, batch) if batch else each for each in examples]
    any_size = torch.export.Dim("batch")
    sizes = None if batch else tuple({0: any_size} for _ in shown)
    try:
        with quiet():
            program: Any = torch.onnx.export(
                network,
                tuple(each.contiguous() for each in shown),
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
                external_data=False,
                input_names=[INPUT, *told],
                output_names=list(outputs),
                dynamic_shapes=sizes,
            )
    except Exception as error:  # the exporter's many stages have no error in common
        raise BuildFailed(f"model '{name}' cannot be exported: {first_line(error)}") from error
    model = program.model_proto
    model.ir_version = IR_VERSION
    tidy(model)
    return model


def _each(example: torch.Tensor | Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return list(example) if isinstance(example, (list, tuple)) else [example]


def _of_size(example: torch.Tensor, count: int) -> torch.Tensor:
    """The first of ``example``, so many times."""
    return example[:1].expand(count, *[-1] * (example.dim() - 1))


def tidy(model: Any) -> None:
    """Drop what does not compute: notes, the exporter's stack traces, derived shapes, unused weights."""
    del model.metadata_props[:]
    model.doc_string = ""
    graph = model.graph
    del graph.value_info[:]
    del graph.metadata_props[:]
    graph.doc_string = ""
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def check(
    content: bytes, network: nn.Module, example: torch.Tensor | Sequence[torch.Tensor], name: str
) -> float:
    """The largest error of an output of ``content`` on ``example`` [N, ...] each, over its largest number.

    A file for any batch size is run with one face and with all the others; one for a fixed size with as many
    as that. Raises BuildFailed where the error is over ``TOLERANCE``, EngineError.
    """
    import torch

    network.eval()
    engine = load("onnx", ModelFile(f"{name}.onnx", {".onnx": content}), EngineOptions(threads=1))
    fixed, examples = engine.inputs[0].shape[0], _each(example)
    if fixed is None:
        parts = [[each[:1] for each in examples], [each[1:] for each in examples]]
    else:
        parts = [[_of_size(each, fixed) for each in examples]]
    error = 0.0
    try:
        for part in parts:
            given = engine.run([each.contiguous().numpy() for each in part])
            with torch.no_grad():
                wanted = [each.numpy() for each in _each(network(*part))]
            for ours, theirs in zip(given, wanted, strict=True):
                off = np.abs(ours - theirs).max() / max(1e-6, np.abs(theirs).max())
                error = max(error, float(off)) if off == off else float("inf")  # noqa: PLR0124 - nan
    finally:
        engine.close()
    if not error < TOLERANCE:
        raise BuildFailed(
            f"the ONNX export of '{name}' differs from the network by {error:.1e} of its largest logit"
        )
    return error


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
