"""ONNX Runtime: QDQ quantization by onnxruntime.quantization, then the graph made small."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import InputSpec
from edge.errors import BuildFailed
from edge.progress import Progress
from quantize import calibrate, graph
from quantize.builder import Built, Float
from quantize.export import INPUT, quiet
from quantize.recipe import Recipe


class OnnxBuilder:
    """Makes .onnx files: float as exported, int8 as QDQ with 8-bit weights."""

    def versions(self) -> dict[str, str]:
        """onnxruntime writes the graph, onnx the bytes."""
        import onnx
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}

    def plain(self, network: Float) -> Built:
        """The exported file itself."""
        return Built({".onnx": network.exported.onnx}, "fp32")

    def quantize(self, network: Float, plain: Built, recipe: Recipe, faces: npt.NDArray[np.uint8]) -> Built:
        """Calibrate on ``faces`` and write QDQ. Raises BuildFailed and RecipeInvalid."""
        import onnx

        recipe.refuse_unsupported(bias_correction=(False,))
        model = onnx.load_from_string(plain.parts[".onnx"])
        left_out = graph.layers_called(model, recipe.quantize.keep_float)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "model.onnx"
            try:
                with quiet():
                    _quantize(model, target, recipe, _Seen(faces, network.input), left_out)
            except Exception as error:
                reason = str(error).strip().split("\n", maxsplit=1)[0]
                raise BuildFailed(
                    f"recipe '{recipe.name}': ONNX Runtime cannot quantize it: {reason}"
                ) from error
            quantized = onnx.load(target)
        if recipe.quantize.uint8_input and not graph.uint8_input(quantized):
            raise BuildFailed(f"recipe '{recipe.name}': uint8_input needs the first layer quantized to uint8")
        graph.drop_zero_points(quantized)
        graph.tidy(quantized)
        return Built({".onnx": quantized.SerializeToString(deterministic=True)}, "int8")


def input_scale(spec: InputSpec) -> tuple[float, int]:
    """Scale and zero point with which grey levels 0-255 are themselves the quantized input.

    ``(level - mean) / std`` is ``(level - zero) * scale`` but for the mean's fraction, at most half a
    grey level. Raises BuildFailed where channels differ.
    """
    if len(set(spec.mean)) > 1 or len(set(spec.std)) > 1:
        raise BuildFailed("uint8_input needs one mean and one std for all channels")
    return 1 / spec.std[0], round(spec.mean[0])


@dataclass(frozen=True)
class _Seen:
    faces: npt.NDArray[np.uint8]
    input: InputSpec


def _quantize(model: Any, target: Path, recipe: Recipe, seen: _Seen, left_out: Sequence[str]) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    how, ranges = recipe.quantize, recipe.calibration
    kinds = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8, "int16": QuantType.QInt16}
    methods = {
        "minmax": CalibrationMethod.MinMax,
        "percentile": CalibrationMethod.Percentile,
    }
    options: dict[str, Any] = {
        "ActivationSymmetric": how.symmetric,
        # Its percentile method is symmetric unless told otherwise, which wastes half of a ReLU's levels.
        "CalibTensorRangeSymmetric": how.symmetric,
        "CalibPercentile": ranges.percentile,
    }
    if how.uint8_input:
        scale, zero = input_scale(seen.input)
        exact = {"scale": np.array(scale, np.float32), "zero_point": np.array(zero, np.uint8)}
        options["TensorQuantOverrides"] = {INPUT: [{"quant_type": QuantType.QUInt8, **exact}]}
    with Progress(f"calibrating {recipe.name}", len(seen.faces), "faces") as progress:
        quantize_static(
            model,
            target,
            _reader(seen, progress),
            quant_format=QuantFormat.QDQ,
            per_channel=how.per_channel,
            activation_type=kinds[how.activations],
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(left_out),
            calibrate_method=methods[ranges.method],
            extra_options=options,
        )


def _reader(seen: _Seen, progress: Progress) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches: Iterator[npt.NDArray[Any]] = iter(calibrate.batches(seen.faces, seen.input))

        def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
            batch = next(self._batches, None)
            if batch is None:
                return None
            progress.advance(len(batch))
            return {INPUT: batch}

    return Reader()
