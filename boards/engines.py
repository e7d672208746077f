"""The engines that boards know: one table of what each is installed from and what it does, by device.

A profile names an engine and the device it computes on; everything that follows from the two stands here.
A new engine is a line, and its name in ``EngineName``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EngineName = Literal["onnx", "tflite", "openvino"]
Device = Literal["CPU", "GPU", "NPU"]
# ONNX Runtime reaches a GPU through one of these; where there is no choice a profile names none.
Provider = Literal["TensorrtExecutionProvider", "CUDAExecutionProvider"]


@dataclass(frozen=True)
class Library:
    """An engine's library for one device.

    ``package`` is its distribution on PyPI and ``module`` what must import; ``extra`` is ferlite's own extra
    that brings it, "" where none does. ``compiles``: it writes machine code at run time and settles its
    threads' affinity by itself, which the service's sandbox must then allow.
    """

    package: str
    module: str
    extra: str = ""
    compiles: bool = False


LIBRARIES: dict[tuple[EngineName, Device], Library] = {
    ("onnx", "CPU"): Library("onnxruntime", "onnxruntime", "onnx"),
    ("onnx", "GPU"): Library("onnxruntime-gpu", "onnxruntime", compiles=True),
    ("tflite", "CPU"): Library("ai-edge-litert", "ai_edge_litert.interpreter", "tflite"),
    ("openvino", "CPU"): Library("openvino", "openvino", "openvino", compiles=True),
    ("openvino", "GPU"): Library("openvino", "openvino", "openvino", compiles=True),
    ("openvino", "NPU"): Library("openvino", "openvino", "openvino", compiles=True),
}
