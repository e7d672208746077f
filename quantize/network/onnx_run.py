"""Values of an ONNX graph, those between its nodes too, as ONNX Runtime computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Run:
    """``model`` (an onnx.ModelProto), ready to give the values of the tensors ``names``, in that order.

    Raises what ONNX Runtime raises.
    """

    def __init__(self, model: Any, names: Sequence[str], threads: int = 1) -> None:
        import onnx
        import onnxruntime

        shown = onnx.ModelProto()
        shown.CopyFrom(model)
        given = {each.name for each in shown.graph.input}
        self._inputs = [name for name in names if name in given]
        self._names = list(names)
        del shown.graph.output[:]
        # Without a type: ONNX Runtime finds it, float or not.
        shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in given)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(
            shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [each.name for each in self._session.get_outputs()]

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The tensors' values for these inputs."""
        given = dict(zip(self._outputs, self._session.run(None, dict(feeds)), strict=True))
        given.update({name: feeds[name] for name in self._inputs})
        return {name: np.asarray(given[name]) for name in self._names}


def of_faces(model: Any, x: Array, at_once: int = 0) -> Array:
    """The one output of ``model`` for ``x`` [N, ...], ``at_once`` (0: all) or its fixed number at a time.

    Raises what ONNX Runtime raises.
    """
    name, fixed = entry(model).name, batch_size(model)
    run = Run(model, [model.graph.output[0].name])
    step, parts = fixed or at_once or len(x), []
    for start in range(0, len(x), step):
        part = x[start : start + step]
        full = np.concatenate([part, part[-1:].repeat((fixed or len(part)) - len(part), 0)])
        (answers,) = run({name: full}).values()
        parts.append(answers[: len(part)])
    return np.concatenate(parts)


def entry(model: Any) -> Any:
    """The graph's one input that is no initializer, as files older than 2019 list those."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return next(each for each in model.graph.input if each.name not in constants)


def batch_size(model: Any) -> int | None:
    """How many faces ``model`` takes at a time; None: any number."""
    first = entry(model).type.tensor_type.shape.dim[0]
    return int(first.dim_value) if first.HasField("dim_value") and first.dim_value > 0 else None
