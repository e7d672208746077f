"""Any float ONNX classifier in the one form that our builders take, its answers held against the file's own.

``faces`` float32 [N, C, S, S] for any N (or, where a graph is tied to it, a fixed one) to ``logits``
[N, labels]; constants are initializers, pads are numbers, what scales a layer's channels is in its weights,
layers are called ``NAME.weight``, and the last softmax is left out. Nothing here needs torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.bundle_files.sections import InputSpec
from edge.engine import first_line
from edge.errors import BuildFailed, DataInvalid
from quantize.network import any_batch, constants, graph_edit, onnx_graph, simplify
from quantize.network.onnx_run import batch_size, entry, of_faces
from train.onnx_export import INPUT, OPSET, OUTPUT

Model = Any  # onnx.ModelProto
OLDEST = 13  # opset that quantizing per channel needs
# Float32 rounding through some fifty layers stays two decimal digits below this share of the largest logit;
# a file in float16 was rounded at every one of them.
TOLERANCE, HALF_TOLERANCE = 1e-3, 3e-2
FACES = 5  # no size of a network: a batch that is taken for one shows


@dataclass(frozen=True)
class NormalForm:
    """``graph`` is an ONNX file; ``error`` its largest difference of a logit, over the largest logit."""

    graph: bytes
    error: float

    def model(self) -> Model:
        """The graph as an onnx.ModelProto to be changed."""
        import onnx

        return onnx.load_from_string(self.graph)


def normal_form(content: bytes, spec: InputSpec, labels: int, where: str) -> NormalForm:
    """Rewrite the float ONNX model ``content``; ``where`` names it in messages.

    Raises DataInvalid for what ONNX Runtime cannot run or what answers no finite numbers, BuildFailed where
    the rewritten graph answers otherwise.
    """
    import onnx

    x = example(spec, FACES)
    model = onnx.load_from_string(content)
    last = channels_last(model, spec)
    _fix_sizes(model, spec, last)
    with _named(where):
        wanted = _answers_of(model, x.transpose(0, 2, 3, 1) if last else x)
    if wanted.ndim != 2 or wanted.shape[1] != labels:
        raise DataInvalid(
            f"'{where}' is no classifier of {labels} labels: {FACES} faces give {wanted.shape}, "
            f"not {(FACES, labels)}"
        )
    if not np.isfinite(wanted).all():
        raise DataInvalid(f"'{where}' gives logits that are not finite numbers")
    with _named(where):
        half = _plain(model)
        simplify.channels_first(model, INPUT, last)
        _simple(model, labels)
    return _proved(model, x, wanted, HALF_TOLERANCE if half else TOLERANCE, where)


def example(spec: InputSpec, count: int) -> Any:
    """``count`` inputs float32 [N, C, S, S] of the right range that look like nothing, always the same."""
    shape = (count, spec.channels, *spec.shape)
    return np.random.default_rng(1).uniform(-2, 2, shape).astype(np.float32)


def channels_last(model: Model, spec: InputSpec) -> bool:
    """Whether the model wants N x S x S x C, as Keras writes it, and not N x C x S x S."""
    sizes = input_sizes(model)[1:]
    first, last = (spec.channels, spec.size, spec.size), (spec.size, spec.size, spec.channels)
    return not _agree(sizes, first) and _agree(sizes, last)


def input_sizes(model: Model) -> list[int | None]:
    """The sizes that the file gives of its input; None where it leaves one open."""
    dims = entry(model).type.tensor_type.shape.dim
    return [each.dim_value if each.dim_value > 0 else None for each in dims]


def _agree(sizes: list[int | None], wanted: tuple[int, ...]) -> bool:
    return len(sizes) == len(wanted) and all(
        size in (None, want) for size, want in zip(sizes, wanted, strict=True)
    )


def _fix_sizes(model: Model, spec: InputSpec, last: bool) -> None:
    """One input, and its sizes known but for the batch."""
    given = onnx_copy(entry(model))
    del model.graph.input[:]
    model.graph.input.append(given)
    sizes = (spec.size, spec.size, spec.channels) if last else (spec.channels, spec.size, spec.size)
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim[1:], sizes, strict=True):
        dim.dim_value = size


def _answers_of(model: Model, x: Any) -> Any:
    from onnx import TensorProto

    kind = model.graph.input[0].type.tensor_type.elem_type
    given = x.astype({TensorProto.FLOAT16: np.float16, TensorProto.DOUBLE: np.float64}.get(kind, np.float32))
    return of_faces(model, given).astype(np.float32)


def _plain(model: Model) -> bool:
    """Constants as initializers, today's operators, float32 alone; returns whether it was float16 too."""
    import onnx

    if graph_edit.opset(model) < OLDEST:
        model.ir_version = max(model.ir_version, 8)  # before 4, the converter wants initializers to be inputs
        model.CopyFrom(onnx.version_converter.convert_version(model, OPSET))
    half = constants.in_float32(model)
    constants.gather(model)
    model.ir_version = onnx.helper.find_min_ir_version_for(list(model.opset_import), ignore_unknown=True)
    return half


def _simple(model: Model, labels: int) -> None:
    from onnx import TensorProto, helper

    simplify.drop_passing(model)
    graph_edit.prune(model)
    shapes = any_batch.shapes(model, batch_size(model) or any_batch.FIRST)
    simplify.drop_last_softmax(model, shapes, labels)
    simplify.explicit_pads(model, shapes)
    simplify.linear_layers(model, shapes)
    simplify.own_weights(model)
    simplify.fold_into_layers(model, shapes)
    onnx_graph.pool_means(model, {name for name, shape in shapes.items() if len(shape) == 4})
    graph_edit.prune(model)
    graph_edit.rename(model, model.graph.output[0].name, OUTPUT)
    simplify.name_layers(model)
    fixed = batch_size(model)
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [fixed or "batch", labels])
    )


def _proved(model: Model, x: Any, wanted: Any, tolerance: float, where: str) -> NormalForm:
    """The graph for any number of faces, else for one, else for as many as it was written for."""
    fixed, tied = batch_size(model), onnx_copy(model)
    with contextlib.suppress(
        Exception
    ):  # ONNX Runtime's errors have no parent: the tied graph is tried below
        any_batch.free_batch(model)
        form, error = onnx_copy(model), difference(model, x, wanted)
        if error < tolerance and difference(model, x[:1], wanted[:1]) < tolerance:
            return _finished(form, error)
        any_batch.set_batch(model, 1)
        error = difference(model, x, wanted)
        if error < tolerance:
            return _finished(model, error)
    any_batch.set_batch(tied, fixed)
    with _named(where):
        error = difference(tied, x, wanted)
    if not error < tolerance:
        raise BuildFailed(
            f"'{where}': as our builders take it, it differs by {error:.1e} of its largest logit"
        )
    return _finished(tied, error)


def _finished(model: Model, error: float) -> NormalForm:
    graph_edit.prune(model)
    onnx_graph.tidy(model)
    return NormalForm(model.SerializeToString(deterministic=True), error)


def onnx_copy(message: Any) -> Any:
    """A message of its own with the same content."""
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def difference(model: Model, x: Any, wanted: Any) -> float:
    """The largest error of a logit of ``model`` on ``x``, over the largest; a softmax changes nothing."""
    ours, theirs = (each - each.mean(1, keepdims=True) for each in (of_faces(model, x), logits(wanted)))
    return float(np.abs(ours - theirs).max() / max(1e-6, np.abs(theirs).max()))


def logits(answers: Any) -> Any:
    """Logits but for a constant per face, where ``answers`` [N, C] are chances that sum to one."""
    chances = bool((answers >= 0).all() and np.allclose(answers.sum(1), 1, atol=1e-3))
    return np.log(np.maximum(answers, 1e-30)) if chances else answers


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    """What onnx and ONNX Runtime raise of the file, as a DataInvalid: it has no common parent."""
    try:
        yield
    except (BuildFailed, DataInvalid):
        raise
    except Exception as error:
        raise DataInvalid(f"'{where}' cannot be run by ONNX Runtime: {first_line(error)}") from error
