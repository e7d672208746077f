"""OpenVINO, for Intel's CPUs, GPUs and NPUs (and Arm CPUs)."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.bundle_files.onnx_file import refuse_external_data
from edge.engine import Array, EngineOptions, ModelFile, Setting, Tensor, check_arrays, missing
from edge.engines.cache import versioned
from edge.errors import EngineFailed, EngineRefused
from edge.threads import default_threads


class OpenvinoEngine:
    """Runs OpenVINO IR (.xml with .bin) and .onnx files. ``device``: CPU, GPU, NPU or AUTO."""

    formats = (".xml", ".onnx")

    def __init__(self, model: ModelFile, options: EngineOptions) -> None:
        core = _core()
        device = options.device or "CPU"
        self._check_device(device, core.available_devices)
        settings: dict[str, Setting] = {"PERFORMANCE_HINT": "LATENCY"}
        if device == "CPU":
            # Left to itself it takes 16-bit floats where the processor can: other answers than proven.
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        settings |= options.settings
        if options.threads and device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = options.threads
        elif (threads := default_threads()) and device == "CPU":
            settings.setdefault("INFERENCE_NUM_THREADS", threads)
        if "CACHE_DIR" in settings:
            settings["CACHE_DIR"] = versioned(
                str(settings["CACHE_DIR"]), self.version(), _driver(core, device)
            )
        read, self._compiled = _compile(core, model, device, settings)
        self._request: Any = self._compiled.create_infer_request()
        # Compiling adds the names of operators that it optimised away: the names before are the model's.
        names = [[_name(port) for port in ports] for ports in (read.inputs, read.outputs)]
        self.inputs = tuple(map(_tensor, names[0], self._compiled.inputs))
        self.outputs = tuple(map(_tensor, names[1], self._compiled.outputs))

    @staticmethod
    def version() -> str:
        """Library and version. Raises EngineMissing."""
        return f"openvino {_library().__version__.split('-')[0]}"

    @staticmethod
    def _check_device(device: str, available: Sequence[str]) -> None:
        # "GPU" answers for GPU.0 and GPU.1; AUTO chooses among them by itself.
        if device.split(":", maxsplit=1)[0] == "AUTO" or any(
            name.split(".")[0] == device for name in available
        ):
            return
        if device not in available:
            raise EngineRefused(f"OpenVINO sees no device '{device}': it has {', '.join(available)}, AUTO")

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs for one array per input. Raises ModelMismatch and EngineFailed."""
        checked = check_arrays(arrays, self.inputs)
        try:
            self._request.infer(dict(enumerate(checked)), share_inputs=True)
            # The request's buffers are used again by the next run: copy.
            return [np.array(self._request.get_output_tensor(i).data) for i in range(len(self.outputs))]
        except Exception as error:
            raise EngineFailed(f"OpenVINO failed: {_last_line(error)}") from error

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        self._request = self._compiled = None


def _library() -> Any:
    """The openvino module, without the reports that importing it would send to its maker."""
    # OpenVINO itself takes a stub where this package is absent.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise missing("openvino", "openvino", error) from error
    return openvino


@functools.cache
def _core() -> Any:
    """The process's one Core: it holds the loaded plugins, and takes a while to make.

    One that a failed load leaves to the garbage collector has crashed the process when it was collected.
    """
    return _library().Core()


def _compile(core: Any, model: ModelFile, device: str, settings: dict[str, Setting]) -> tuple[Any, Any]:
    """The model as read and as compiled. Raises EngineFailed and ModelMismatch."""
    if ".onnx" in model.parts:
        refuse_external_data(model.parts[".onnx"], model.name)
    try:
        if ".onnx" in model.parts:
            read = core.read_model(model.parts[".onnx"])
        else:
            read = core.read_model(model.parts[".xml"], model.parts[".bin"])
        if device.startswith("NPU"):
            _make_static(read)
        return read, core.compile_model(read, device, settings)
    except Exception as error:
        raise EngineFailed(f"OpenVINO cannot load '{model.name}': {_last_line(error)}") from error


def _make_static(read: Any) -> None:
    """Fix each open batch at one: an NPU compiles nothing whose sizes it does not know."""
    shapes = {port: port.partial_shape for port in read.inputs}
    for shape in shapes.values():
        if len(shape) and shape[0].is_dynamic:
            shape[0] = 1
    read.reshape(shapes)


def _driver(core: Any, device: str) -> str:
    """What compiles for the device beside OpenVINO itself: the NPU's driver; "" elsewhere."""
    return f"driver {core.get_property(device, 'NPU_DRIVER_VERSION')}" if device.startswith("NPU") else ""


def _name(port: Any) -> str:
    """A port's name; one without (some IR files have such) gets its node's."""
    return str(port.get_any_name() if port.names else port.get_node().get_friendly_name())


def _tensor(name: str, port: Any) -> Tensor:
    shape = tuple(int(size.get_length()) if size.is_static else None for size in port.partial_shape)
    return Tensor(name, shape, np.dtype(port.element_type.to_dtype()).name)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).split("\n") if line.strip()]
    return lines[-1] if lines else type(error).__name__
