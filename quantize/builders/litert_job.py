"""Run as a program in the tflite environment: a saved torch program to .tflite, float or int8.

It imports nothing of ferlite, so that its environment needs none of it. The order is a JSON file:
``program`` (a saved torch.export program, input [1, C, S, S]), ``out``, and for int8 ``inputs`` (.npy,
float32 [N, S, S, C]), ``activation_bits`` and ``keep_float`` (regular expressions of layer names).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(order_file: str) -> None:
    """Do what ``order_file`` says."""
    order = json.loads(Path(order_file).read_text(encoding="utf-8"))
    out = Path(order["out"])
    if "inputs" in order:
        out.write_bytes(quantize(Path(order["float"]), order))
    else:
        out.write_bytes(convert(Path(order["program"])))


def convert(program: Path) -> bytes:
    """The float model, its input with the channels last as LiteRT's kernels want them."""
    import litert_torch
    import torch

    module = torch.export.load(str(program)).module()
    example = torch.export.load(str(program)).example_inputs[0][0]
    wrapped = litert_torch.to_channel_last_io(module, args=[0])
    edge_model = litert_torch.convert(wrapped, (example.permute(0, 2, 3, 1).contiguous(),))
    return bytes(edge_model.model_content())


def quantize(plain: Path, order: dict[str, Any]) -> bytes:
    """Weights in 8 bits per channel, activations in ``activation_bits``."""
    import numpy as np
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    work = quantizer.Quantizer(plain.read_bytes())
    work.add_static_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=order["activation_bits"],
        weight_num_bits=8,
    )
    names = qtyping.TFLOperationName
    # Float32 stays at both ends: the runtime feeds and reads that.
    left_out = [(".*", names.INPUT), (".*", names.OUTPUT)]
    left_out += [(pattern, names.ALL_SUPPORTED) for pattern in order["keep_float"]]
    for pattern, operation in left_out:
        work.update_quantization_recipe(
            regex=pattern,
            operation_name=operation,
            algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
        )
    name = next(iter(_inputs(plain)))
    faces = np.load(order["inputs"])
    data = {"serving_default": [{name: face[None]} for face in faces]}
    ranges = work.calibrate(data, num_threads=1)
    result = work.quantize(ranges, enable_progress_report=False)
    return bytes(result.quantized_model)


def _inputs(plain: Path) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(plain)).get_signature_runner("serving_default")
    return dict(runner.get_input_details())


if __name__ == "__main__":
    main(sys.argv[1])
