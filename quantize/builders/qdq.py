"""ONNX Runtime's quantizer, given ranges that were chosen beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge.bundle_files.sections import InputSpec
from quantize.network.export import INPUT
from quantize.prepare.ranges import Range
from quantize.recipe import QuantizeRecipe


def input_scales(spec: InputSpec) -> tuple[list[float], list[int]]:
    """Scales and zero points with which grey levels 0-255 are themselves the quantized input, per channel.

    ``(level - mean) / std`` is ``(level - zero) * scale`` but for the mean's fraction, at most half a
    grey level. One of each where all channels have the same.
    """
    pairs = list(zip(spec.mean, spec.std, strict=True))
    chosen = pairs[:1] if len(set(pairs)) == 1 else pairs
    return [1 / std for _, std in chosen], [min(255, max(0, round(mean))) for mean, _ in chosen]


def insert(
    model: Any,
    ranges: Mapping[str, Range],
    how: QuantizeRecipe,
    spec: InputSpec,
    *,
    left_out: Sequence[str] = (),
    only: Sequence[str] = (),
) -> Any:
    """A copy of the float onnx.ModelProto with integer weights and QDQ pairs around what is quantized.

    ``left_out`` and ``only`` are names of nodes: which to leave in float, and (unless empty) which alone not
    to. Raises whatever the quantizer raises.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    kinds = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8, "int16": QuantType.QInt16}
    options: dict[str, Any] = {"ActivationSymmetric": how.symmetric}
    scales, zeros = input_scales(spec)
    # A tensor between layers has one scale: where channels differ, the input is no such tensor.
    if how.uint8_input and len(scales) == 1:
        exact = {"scale": np.array(scales[0], np.float32), "zero_point": np.array(zeros[0], np.uint8)}
        options["TensorQuantOverrides"] = {INPUT: [{"quant_type": QuantType.QUInt8, **exact}]}
    given = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    floats = set(how.float_operators)
    quantizer = QDQQuantizer(
        onnx.shape_inference.infer_shapes(model),
        how.per_channel,
        how.reduce_range,
        QuantType.QInt8,
        kinds[how.activations],
        TensorsData(CalibrationMethod.MinMax, given),
        list(only),
        list(left_out),
        sorted((set(QLinearOpsRegistry) | set(QDQRegistry)) - floats),
        options,
    )
    quantizer.quantize_model()
    return quantizer.model.model
