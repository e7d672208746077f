"""What passes through a float ONNX network while it looks at faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import InputSpec
from edge.commands.progress import Progress
from quantize.network.export import INPUT
from quantize.network.onnx_run import Run, batch_size
from quantize.prepare import calibrate
from quantize.prepare.ranges import Range, Ranges

Values = npt.NDArray[np.float32]
# All activations of a batch are held at once: some 15 MB a face for EfficientNet-B0 at 112 pixels.
BATCH = 8


class Observer:
    """Runs the float onnx.ModelProto ``model`` and gives the values of tensors, by default of all.

    ``told``: values of its extra inputs, which faces are shown with in turn.
    """

    def __init__(
        self,
        model: Any,
        names: Sequence[str] | None = None,
        threads: int = 1,
        told: Mapping[str, Values] | None = None,
    ) -> None:
        self._told, self._shown = dict(told or {}), 0
        self.names = list(names) if names is not None else float_tensors(model)
        self._fixed = batch_size(model)
        self._run = Run(model, self.names, threads)

    def __call__(self, batch: Values) -> dict[str, Values]:
        """The tensors' values [B, ...] for a batch float32 [B, C, S, S]; of a model for a fixed number, of as
        many faces more as fill it up."""
        if self._fixed is None:
            start, self._shown = self._shown, self._shown + len(batch)
            told = {name: calibrate.in_turn(values, start, len(batch)) for name, values in self._told.items()}
            return self._run({INPUT: batch, **told})
        parts = []
        for start in range(0, len(batch), self._fixed):
            part = batch[start : start + self._fixed]
            parts.append(
                self._run({INPUT: np.concatenate([part, part[-1:].repeat(self._fixed - len(part), 0)])})
            )
        return {name: np.concatenate([np.atleast_1d(each[name]) for each in parts]) for name in self.names}


def float_tensors(model: Any) -> list[str]:
    """The input and every float value that a node gives."""
    import onnx
    from onnx import TensorProto

    inferred = onnx.shape_inference.infer_shapes(model).graph
    known = {
        info.name
        for info in (*inferred.value_info, *inferred.output)
        if info.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    return [
        *(entry.name for entry in inferred.input),
        *(name for node in inferred.node for name in node.output if name in known),
    ]


def ranges(
    model: Any,
    faces: npt.NDArray[np.uint8],
    spec: InputSpec,
    method: str,
    percentile: float,
    note: str,
    told: Mapping[str, Values] | None = None,
) -> Mapping[str, Range]:
    """Every float tensor's range by ``method`` (see ``prepare.ranges``) on ``faces`` uint8 [N, H, W]."""
    observer, found = Observer(model, told=told), Ranges(method, percentile)
    passes: list[Callable[[str, Values], None]] = [found.see]
    if found.needs_counts:
        passes.append(found.count)
    with Progress(f"calibrating {note}", len(faces) * len(passes), "faces") as progress:
        for take in passes:
            for batch in batches(faces, spec):
                for name, values in observer(batch).items():
                    take(name, values)
                progress.advance(len(batch))
    return found.chosen()


def batches(faces: npt.NDArray[np.uint8], spec: InputSpec) -> Iterator[Values]:
    """The faces as the runtime feeds them, float32 [B, C, S, S], B up to 8."""
    for start in range(0, len(faces), BATCH):
        yield calibrate.inputs(faces[start : start + BATCH], spec)


def channel_tops(values: Values, before: Values | None) -> Values:
    """The largest value [C] of each channel of ``values`` [B, C, ...] and of those seen ``before``."""
    top: Values = values.reshape(len(values), values.shape[1], -1).max((0, 2))
    return top if before is None else np.maximum(before, top)
