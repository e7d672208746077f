"""ONNX Runtime."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge.bundle_files.onnx_file import refuse_external_data
from edge.engine import Array, EngineOptions, ModelFile, Setting, Tensor, check_arrays, first_line, missing
from edge.engines.cache import tensorrt_version, versioned
from edge.errors import EngineFailed, EngineRefused
from edge.threads import default_threads

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


class OnnxEngine:
    """Runs .onnx files. ``device`` is an execution provider, with or without "ExecutionProvider"."""

    formats = (".onnx",)

    def __init__(self, model: ModelFile, options: EngineOptions) -> None:
        self.version()
        import onnxruntime

        content = model.parts[".onnx"]
        refuse_external_data(content, model.name)
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4  # its warnings are for its developers; failures come as exceptions
        settings.intra_op_num_threads = options.threads or default_threads()
        settings.inter_op_num_threads = 1
        # Waiting threads would burn the board's power budget between frames.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Of every number of faces that is ever read at once it would keep a plan and the memory for it.
        settings.enable_mem_pattern = False
        providers = self._providers(options.device, onnxruntime.get_available_providers())
        chosen = [self._settings(options.settings, providers[0]), *[{} for _ in providers[1:]]]
        try:
            self._session: Any = onnxruntime.InferenceSession(
                content, settings, providers=list(zip(providers, chosen, strict=True))
            )
        except Exception as error:
            raise EngineFailed(f"ONNX Runtime cannot load '{model.name}': {first_line(error)}") from error
        if self._session.get_providers()[0] != providers[0]:
            # ONNX Runtime itself would go on with the CPU and only log it.
            raise EngineRefused(f"ONNX Runtime could not start its device '{options.device}' here")
        self.inputs = tuple(_tensor(value) for value in self._session.get_inputs())
        self.outputs = tuple(_tensor(value) for value in self._session.get_outputs())
        self._names = [tensor.name for tensor in self.inputs]

    @staticmethod
    def version() -> str:
        """Library and version. Raises EngineMissing, and EngineRefused for one that kills Arm boards."""
        # 1.21 executes an instruction that Cortex-A53 and A72 lack while it is being imported, so its
        # version must be known before that.
        from importlib import metadata

        for package in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"):
            try:
                refuse_version(metadata.version(package), platform.machine())
            except metadata.PackageNotFoundError:
                continue
        try:
            import onnxruntime
        except ImportError as error:
            raise missing("onnx", "onnxruntime", error) from error
        return f"onnxruntime {onnxruntime.__version__}"

    @staticmethod
    def _providers(device: str, available: Sequence[str]) -> list[str]:
        if device in ("", "CPU"):
            return ["CPUExecutionProvider"]
        name = device if device.endswith("ExecutionProvider") else f"{device}ExecutionProvider"
        if name not in available:
            known = ", ".join(provider.removesuffix("ExecutionProvider") for provider in available)
            raise EngineRefused(f"this ONNX Runtime has no device '{device}': it has {known}")
        return [name, "CPUExecutionProvider"]  # a provider may leave single operators to the CPU

    @classmethod
    def _settings(cls, settings: Mapping[str, Setting], provider: str) -> dict[str, str]:
        if settings and provider == "CPUExecutionProvider":
            raise EngineRefused(
                f"engine 'onnx' takes no settings on the CPU, and was given {', '.join(settings)}"
            )
        # ONNX Runtime takes text alone, and "True" for yes.
        texts = {name: str(value) for name, value in settings.items()}
        for name in ("trt_engine_cache_path", "trt_timing_cache_path"):
            if name in texts:
                texts[name] = versioned(texts[name], cls.version(), tensorrt_version())
        return texts

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs for one array per input. Raises ModelMismatch and EngineFailed."""
        checked = check_arrays(arrays, self.inputs)
        try:
            outputs = self._session.run(None, dict(zip(self._names, checked, strict=True)))
        except Exception as error:
            raise EngineFailed(f"ONNX Runtime failed: {first_line(error)}") from error
        return [np.asarray(output) for output in outputs]

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        self._session = None


def refuse_version(version: str, machine: str) -> None:
    """Raise EngineRefused for an ONNX Runtime version that is known to kill this kind of machine."""
    if machine in ("aarch64", "arm64") and version.startswith("1.21."):
        raise EngineRefused(
            f"onnxruntime {version} dies with SIGILL on Cortex-A53 and A72 boards: "
            "pip install 'onnxruntime!=1.21.*'"
        )


def _tensor(value: Any) -> Tensor:
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    return Tensor(value.name, shape, DTYPES.get(value.type, value.type))
