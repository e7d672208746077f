"""LiteRT, under either of its names: ai-edge-litert, or tflite-runtime where that is what is installed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.bundle_files.tflite_file import refuse_damage
from edge.engine import Array, EngineOptions, ModelFile, Tensor, check_arrays, first_line, missing
from edge.engines.quiet import quiet_stderr
from edge.errors import EngineFailed, EngineRefused


class TfliteEngine:
    """Runs .tflite files on the CPU."""

    formats = (".tflite",)

    def __init__(self, model: ModelFile, options: EngineOptions) -> None:
        interpreter = _library()[0]
        if options.device not in ("", "CPU"):
            raise EngineRefused(f"engine 'tflite' has no device '{options.device}': it has CPU")
        if options.settings:
            raise EngineRefused(
                f"engine 'tflite' takes no settings, and was given {', '.join(options.settings)}"
            )
        refuse_damage(model.parts[".tflite"], model.name)
        try:
            # The interpreter keeps no copy: the bytes must live as long as it does.
            self._content = model.parts[".tflite"]
            with quiet_stderr():
                self._interpreter: Any = interpreter(
                    model_content=self._content, num_threads=options.threads or None
                )
                self._interpreter.allocate_tensors()
        except Exception as error:
            raise EngineFailed(f"LiteRT cannot load '{model.name}': {first_line(error)}") from error
        self._ins = self._interpreter.get_input_details()
        self._outs = self._interpreter.get_output_details()
        self.inputs = tuple(_tensor(detail) for detail in self._ins)
        self.outputs = tuple(_tensor(detail) for detail in self._outs)
        self._shapes = [tuple(int(size) for size in detail["shape"]) for detail in self._ins]

    @staticmethod
    def version() -> str:
        """Library and version. Raises EngineMissing."""
        return _library()[1]

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs for one array per input. Raises ModelMismatch and EngineFailed."""
        checked = check_arrays(arrays, self.inputs)
        try:
            self._resize([array.shape for array in checked])
            for detail, array in zip(self._ins, checked, strict=True):
                self._interpreter.set_tensor(detail["index"], array)
            self._interpreter.invoke()
            return [np.array(self._interpreter.get_tensor(detail["index"])) for detail in self._outs]
        except Exception as error:
            raise EngineFailed(f"LiteRT failed: {first_line(error)}") from error

    def _resize(self, shapes: list[tuple[int, ...]]) -> None:
        if shapes == self._shapes:
            return
        for detail, shape in zip(self._ins, shapes, strict=True):
            self._interpreter.resize_tensor_input(detail["index"], list(shape), strict=True)
        self._interpreter.allocate_tensors()
        self._shapes = shapes

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        self._interpreter = None


def _library() -> tuple[Any, str]:
    """The Interpreter class, and the name and version of the package that it came from."""
    from importlib import metadata

    try:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, f"ai-edge-litert {metadata.version('ai-edge-litert')}"
    except ImportError as error:
        wanted = missing("tflite", "ai_edge_litert", error)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it announces its own successor at every import
            from tflite_runtime.interpreter import Interpreter

        return Interpreter, f"tflite-runtime {metadata.version('tflite-runtime')}"
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] == "tflite_runtime":
            raise wanted from error
        raise EngineRefused(
            f"engine 'tflite': tflite-runtime does not load here (it needs numpy < 2): {error}"
        ) from error


def _tensor(detail: dict[str, Any]) -> Tensor:
    sizes = detail.get("shape_signature")
    sizes = detail["shape"] if sizes is None or len(sizes) == 0 else sizes
    shape = tuple(None if size < 0 else int(size) for size in sizes)
    return Tensor(str(detail["name"]), shape, np.dtype(detail["dtype"]).name)
