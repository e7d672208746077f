"""The seam between ferlite and an inference library: what an engine is, and how one is chosen.

An engine runs a model and does nothing else: no preprocessing, no downloads, no conversion.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from edge.engines.table import ENGINES
from edge.errors import EngineError, EngineMissing, EngineRefused, EngineUnknown, ModelMismatch

Array = npt.NDArray[Any]
Setting = str | int | float | bool
Wrap = Callable[["Engine"], "Engine"]


@dataclass(frozen=True)
class Tensor:
    """A model's input or output. ``shape`` has None where any size goes; ``dtype`` is numpy's name."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class EngineOptions:
    """``threads`` 0: the library's own number, or a CPU quota's (edge/threads.py); ``device`` "" is the CPU.

    Devices are named as the library names them: an execution provider for onnx ("CUDA", "TensorRT"),
    CPU, GPU, NPU or AUTO for openvino. ``settings`` go to the library as they are: OpenVINO's properties
    (CACHE_DIR), the options of an ONNX Runtime provider (trt_engine_cache_path). A cache folder among them
    gets a subfolder for each version of what compiled: a compiled model is not promised to work in another.
    ``wrap`` stands between the loaded engine and whoever asks it: a stopwatch, say.
    """

    threads: int = 0
    device: str = ""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    wrap: Wrap | None = None


@dataclass(frozen=True)
class ModelFile:
    """A model's verified bytes. ``parts`` maps a suffix (".onnx", ".xml", ".bin") to content."""

    name: str
    parts: Mapping[str, bytes]


class Engine(Protocol):
    """A loaded model."""

    @property
    def inputs(self) -> Sequence[Tensor]:
        """What ``run`` takes, in order."""
        ...

    @property
    def outputs(self) -> Sequence[Tensor]:
        """What ``run`` returns, in order."""
        ...

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs for one array per input. Raises ModelMismatch and EngineFailed."""
        ...

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        ...


class EngineClass(Protocol):
    """What the table names: loads models, and says whether it can."""

    formats: tuple[str, ...]  # suffixes of a model's main file that it reads

    def __call__(self, model: ModelFile, options: EngineOptions) -> Engine:
        """Load a model. Raises EngineFailed where the library does not accept it."""
        ...

    def version(self) -> str:
        """The library's name and version. Raises EngineMissing and EngineRefused."""
        ...


@dataclass(frozen=True)
class Choice:
    """The engine that was chosen, and why those before it were not: (name, reason) in table order."""

    name: str
    skipped: tuple[tuple[str, str], ...] = ()


def engine_class(name: str) -> EngineClass:
    """The class of the named engine; its library is not loaded yet. Raises EngineUnknown."""
    if name not in ENGINES:
        raise EngineUnknown(f"unknown engine '{name}': choose auto, {', '.join(ENGINES)}")
    module, attribute = ENGINES[name].split(":")
    return cast("EngineClass", getattr(importlib.import_module(module), attribute))


def choose(wanted: str, files: Iterable[str], order: Sequence[str] = ()) -> Choice:
    """Pick an engine for a model that has a file for each engine named in ``files``.

    A named engine is taken or refused, never replaced. ``auto`` takes the first of ``order`` (default:
    the table's) that has a file and whose library is installed. Raises EngineError and ModelMismatch.
    """
    files = tuple(files)
    if wanted != "auto":
        engine_class(wanted).version()
        if wanted not in files:
            raise ModelMismatch(f"the model has no file for engine '{wanted}': it has {', '.join(files)}")
        return Choice(wanted)
    skipped: list[tuple[str, str]] = []
    for name in order or tuple(ENGINES):
        if name not in files:
            skipped.append((name, f"the model has no file for engine '{name}'"))
            continue
        try:
            engine_class(name).version()
        except (EngineMissing, EngineRefused) as error:
            skipped.append((name, str(error)))
        else:
            return Choice(name, tuple(skipped))
    raise EngineMissing("no engine can run this model: " + "; ".join(reason for _, reason in skipped))


def readers(suffix: str) -> tuple[str, ...]:
    """Names of the engines that read files with this suffix, in the table's order."""
    return tuple(name for name in ENGINES if suffix in engine_class(name).formats)


def load(name: str, model: ModelFile, options: EngineOptions) -> Engine:
    """Load a model into the named engine. Raises EngineError and ModelMismatch."""
    wanted = engine_class(name)
    if not any(suffix in model.parts for suffix in wanted.formats):
        raise ModelMismatch(f"engine '{name}' reads {' or '.join(wanted.formats)} files, not '{model.name}'")
    engine = wanted(model, options)
    return options.wrap(engine) if options.wrap else engine


def check_arrays(arrays: Sequence[Array], inputs: Sequence[Tensor]) -> list[Array]:
    """The arrays, contiguous, if they fit ``inputs`` in number, dtype and shape. Raises ModelMismatch."""
    if len(arrays) != len(inputs):
        raise ModelMismatch(f"the model takes {len(inputs)} inputs, not {len(arrays)}")
    for array, tensor in zip(arrays, inputs, strict=True):
        fits = len(array.shape) == len(tensor.shape) and all(
            want is None or want == have for want, have in zip(tensor.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != np.dtype(tensor.dtype):
            wanted = "x".join("N" if size is None else str(size) for size in tensor.shape)
            raise ModelMismatch(
                f"input '{tensor.name}' takes {tensor.dtype} {wanted}, "
                f"not {array.dtype} {'x'.join(map(str, array.shape))}"
            )
        if 0 in array.shape:
            raise ModelMismatch(f"input '{tensor.name}' is empty")
    return [np.ascontiguousarray(array) for array in arrays]


def missing(name: str, package: str, error: ImportError) -> EngineError:
    """What to raise when an engine's library does not import: only its plain absence is 'missing'."""
    if error.name is not None and error.name.split(".")[0] == package:
        return EngineMissing(f"engine '{name}' needs the {package} package: pip install 'ferlite[{name}]'")
    return EngineRefused(f"engine '{name}': the {package} package does not load here: {error}")


def first_line(error: Exception) -> str:
    """What a library's error says before it begins to explain itself."""
    return str(error).strip().split("\n", maxsplit=1)[0]
