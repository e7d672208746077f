"""Run as a program in the tflite environment: a saved torch program to .tflite, float or int8.

It imports nothing of ferlite but ``quantize/prepare/ranges.py``, by its path, so that its environment needs
only numpy besides its own pins. The order is a JSON file: ``program`` (a saved torch.export program, input
[1, C, S, S]) and ``out``; or ``float`` (.tflite), ``inputs`` (.npy, float32 [N, S, S, C]), ``out`` and
``activation_bits``, ``method``, ``percentile``, ``weights``, ``layers`` (how many weights each has),
``keep_float`` (numbers of layers, from input to output) and ``float_operators`` (LiteRT's operator names).
"""

from __future__ import annotations

import importlib.util
import json
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RANGES = Path(__file__).parent.parent / "prepare" / "ranges.py"


def main(order_file: str) -> None:
    """Do what ``order_file`` says."""
    order = json.loads(Path(order_file).read_text(encoding="utf-8"))
    out = Path(order["out"])
    if "inputs" in order:
        out.write_bytes(shrink(quantize(Path(order["float"]).read_bytes(), order)))
    else:
        out.write_bytes(convert(Path(order["program"])))


def convert(program: Path) -> bytes:
    """The float model, its input with the channels last as LiteRT's kernels want them."""
    import litert_torch
    import torch

    module = torch.export.load(str(program)).module()
    face, *told = torch.export.load(str(program)).example_inputs[0]
    # The picture alone: what a network is told beside it keeps its shape.
    wrapped = litert_torch.to_channel_last_io(module, args=[0])
    edge_model = litert_torch.convert(wrapped, (face.permute(0, 2, 3, 1).contiguous(), *told))
    return bytes(edge_model.model_content())


def quantize(plain: bytes, order: Mapping[str, Any]) -> bytes:
    """Weights in 8 bits per channel, activations in ``activation_bits``."""
    import numpy as np
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    algorithms, names = algorithm_manager.AlgorithmName, qtyping.TFLOperationName
    work = quantizer.Quantizer(plain)
    settings = {"activation_num_bits": order["activation_bits"], "weight_num_bits": 8}
    work.add_static_config(regex=".*", operation_name=names.ALL_SUPPORTED, **settings)
    if order["weights"] != "minmax":
        chosen = {"mse": algorithms.MSE, "octav": algorithms.OCTAV}[order["weights"]]
        for operation in (names.CONV_2D, names.DEPTHWISE_CONV_2D, names.FULLY_CONNECTED):
            work.add_static_config(regex=".*", operation_name=operation, algorithm_key=chosen, **settings)
    # Float32 stays at both ends: the runtime feeds and reads that.
    left_out = [(".*", names.INPUT), (".*", names.OUTPUT)]
    left_out += [(".*", names(operation)) for operation in order["float_operators"]]
    left_out += [(pattern, names.ALL_SUPPORTED) for pattern in kept_layers(plain, order)]
    left_out += [(pattern, names.ALL_SUPPORTED) for pattern in after_outputs(plain)]
    for pattern, operation in left_out:
        work.update_quantization_recipe(
            regex=pattern, operation_name=operation, algorithm_key=algorithms.NO_QUANTIZE
        )
    rows = [np.load(order[name]) for name in ("inputs", *(f"told_{k}" for k in range(order["extras"])))]
    found = observe(plain, work, rows, order)
    return bytes(work.quantize(found, enable_progress_report=False).quantized_model)


def kept_layers(plain: bytes, order: Mapping[str, Any]) -> list[str]:
    """Patterns that mean the layers ``keep_float`` and their activations, all named after their outputs."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(plain), 0))
    graph = model.subgraphs[0]
    kinds = schema.BuiltinOperator
    weighted = (kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D, kinds.FULLY_CONNECTED)
    layers = [
        each for each in graph.operators if model.operatorCodes[each.opcodeIndex].builtinCode in weighted
    ]
    sizes = [math.prod(map(int, graph.tensors[each.inputs[1]].shape)) for each in layers]
    if order["keep_float"] and sizes != order["layers"]:
        raise SystemExit("the converter changed the order of the layers or merged some: keep_float fits none")
    kept = [layers[number] for number in order["keep_float"]]
    activations = (kinds.HARD_SWISH, kinds.LOGISTIC, kinds.MUL, kinds.RELU, kinds.RELU6)
    made: list[int] = []
    for each in graph.operators:
        inputs = {index for index in each.inputs if model.buffers[graph.tensors[index].buffer].data is None}
        kind = model.operatorCodes[each.opcodeIndex].builtinCode
        if any(each is layer for layer in kept) or (kind in activations and inputs and inputs <= set(made)):
            made.append(each.outputs[0])
    return [f"^{re.escape(graph.tensors[index].name.decode())};?$" for index in made]


def after_outputs(plain: bytes) -> list[str]:
    """Patterns that mean what reads an output of the model: features go on to the last layer.

    An output stays in float, and a layer with a float input and integers behind it is none that LiteRT has.
    """
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(plain), 0)).subgraphs[0]
    ends = set(graph.outputs)
    after = [each.outputs[0] for each in graph.operators if ends & set(each.inputs)]
    return [f"^{re.escape(graph.tensors[index].name.decode())};?$" for index in after]


def observe(plain: bytes, work: Any, rows: list[Any], order: Mapping[str, Any]) -> dict[str, Any]:
    """Every tensor's range by ``method``, as the quantizer wants them.

    Its own calibration takes a moving average of each face's extremes, which clips the surer half of the
    answers; so it is asked only which tensors it needs.
    """
    import numpy as np
    from ai_edge_quantizer.utils import tfl_interpreter_utils

    signature = "serving_default"
    runner = tfl_interpreter_utils.create_tfl_interpreter(plain, num_threads=1)
    names = sorted(runner.get_signature_runner(signature).get_input_details())
    first = {name: values[0][None] for name, values in zip(names, rows, strict=True)}
    wanted: dict[str, Any] = work.calibrate({signature: [first]}, num_threads=1)
    places = {
        tensor["name"]: tensor["index"] for tensor in runner.get_tensor_details() if tensor["name"] in wanted
    }
    found = _ranges().Ranges(order["method"], order["percentile"])
    passes = [found.see, *([found.count] if found.needs_counts else [])]
    entries = [each["index"] for each in runner.get_input_details()]
    for take in passes:
        for face in zip(*rows, strict=True):
            for entry, values in zip(entries, face, strict=True):
                runner.set_tensor(entry, values[None])
            runner.invoke()
            for tensor, place in places.items():
                take(tensor, runner.get_tensor(place))
    for tensor, (low, high) in found.chosen().items():
        for key, value in (("min", low), ("max", high)):
            wanted[tensor][key] = np.full_like(wanted[tensor][key], value)
    return wanted


def shrink(model: bytes) -> bytes:
    """The same model with equal tables of scales and zero points stored once, and its inner names short.

    A zero point takes 8 bytes for every channel of every weight and bias, all of them 0: with the converter's
    names a tenth of MobileNetV2's file. Buffers lie behind the tables, each at a multiple of 16 bytes.
    """
    import flatbuffers  # type: ignore[import-untyped]
    from ai_edge_litert import schema_py_generated as schema

    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(model), 0))
    for graph in unpacked.subgraphs:
        ends = {*graph.inputs, *graph.outputs}
        for index, tensor in enumerate(graph.tensors):
            tensor.quantization = _shared(tensor.quantization)
            tensor.name = tensor.name if index in ends else str(index)
    outside = {
        index: bytes(model[buffer.offset : buffer.offset + buffer.size])
        for index, buffer in enumerate(unpacked.buffers)
        if buffer.offset > 1
    }

    class Builder(flatbuffers.Builder):  # type: ignore[misc]
        """Knows which vectors it has written."""

        def __init__(self) -> None:
            super().__init__(1 << 20)
            self.stored: dict[tuple[str, bytes], Any] = {}

    def pack() -> bytes:
        builder = Builder()
        builder.Finish(unpacked.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    # The first packing tells how long the tables are; other offsets do not change that.
    end = _round_up(len(pack()))
    behind = b""
    for index, content in outside.items():
        behind += bytes(_round_up(len(behind)) - len(behind))
        unpacked.buffers[index].offset = end + len(behind)
        behind += content
    tables = pack()
    return tables + bytes(end - len(tables)) + behind


def _shared(given: Any) -> Any:
    """A tensor's scales and zero points, to be packed once for all tensors that have the same."""
    from ai_edge_litert import schema_py_generated as schema

    class Shared(schema.QuantizationParametersT):  # type: ignore[misc]
        def Pack(self, builder: Any) -> Any:  # noqa: N802
            scale, zero = (_vector(builder, values) for values in (self.scale, self.zeroPoint))
            schema.QuantizationParametersStart(builder)
            schema.QuantizationParametersAddScale(builder, scale)
            schema.QuantizationParametersAddZeroPoint(builder, zero)
            schema.QuantizationParametersAddQuantizedDimension(builder, self.quantizedDimension)
            return schema.QuantizationParametersEnd(builder)

    if given is None or given.scale is None or given.zeroPoint is None or given.details is not None:
        return given
    shared = Shared()
    shared.scale = _array(given.scale, "float32")
    shared.zeroPoint = _array(given.zeroPoint, "int64")
    shared.quantizedDimension = given.quantizedDimension
    return shared


def _vector(builder: Any, values: Any) -> Any:
    """The place of ``values`` in the file that ``builder`` writes, stored there once."""
    key = (values.dtype.str, values.tobytes())
    if key not in builder.stored:
        builder.stored[key] = builder.CreateNumpyVector(values)
    return builder.stored[key]


def _round_up(size: int) -> int:
    return -(-size // 16) * 16


def _array(values: Any, kind: str) -> Any:
    import numpy as np

    return np.asarray(values, kind)


def _ranges() -> Any:
    spec = importlib.util.spec_from_file_location("ranges", RANGES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1])
