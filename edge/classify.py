"""Face crops to a calibrated weight per expression."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge import engine as engines
from edge.align import Image
from edge.bundle import Bundle
from edge.bundle_files.sections import Extra, InputSpec, Kind, Layout, Scaling
from edge.engine import Array, Engine, EngineOptions
from edge.errors import ModelMismatch, UsageError
from edge.extras.table import KEEPING
from edge.prepare import prepare
from edge.priors import Prior
from edge.profile import Profile

Weights = npt.NDArray[np.float64]


class Classifier:
    """A bundle's network in an engine; ``load_classifier`` makes one.

    ``scaling`` None is the bundle's temperature. Raises ModelMismatch where bundle and engine do not fit.
    """

    def __init__(
        self, bundle: Bundle, engine: Engine, layout: Layout, scaling: Scaling | None = None
    ) -> None:
        self.labels, self.channels = bundle.labels, bundle.input.channels
        self._engine, self._spec, self._layout = engine, bundle.input, layout
        self._scaling = scaling or Scaling.of_temperature(bundle.temperature, len(bundle.labels))
        self._extras = bundle.extras
        self._batch, self._dtype = _check_fit(bundle, engine, layout)

    def __call__(self, crops: Sequence[Image], extras: Sequence[Array | None] = ()) -> Weights:
        """Weights float64 [N, labels], rows summing to 1, of crops uint8 [S, S] or [S, S, 3].

        All crops run in one batch, or in as few as the model's fixed batch size allows. ``extras``: float32
        [N, *shape] for each of the bundle's, None (as all are where none is given) for what is not there.
        """
        return softmax(self.logits(crops, extras), self._scaling)

    def read(self, crops: Sequence[Image], extras: Sequence[Array | None]) -> tuple[Weights, Array]:
        """As a call, and what the network gives beside its logits: float32 [N, width], or [N, 0]."""
        logits, *more = self._answers(crops, extras)
        return softmax(logits, self._scaling), more[0] if more else np.zeros((len(crops), 0), np.float32)

    def logits(self, crops: Sequence[Image], extras: Sequence[Array | None] = ()) -> Array:
        """What the network itself says of the crops, float32 [N, labels], before any scaling."""
        if not crops:
            return np.zeros((0, len(self.labels)), np.float32)
        return self._answers(crops, extras)[0]

    def _answers(self, crops: Sequence[Image], extras: Sequence[Array | None]) -> list[Array]:
        batch = to_input(crops, self._spec, self._layout, self._dtype)
        if self._extras:
            told = with_absent(self._extras, extras, len(crops))
            return in_batches(self._engine, [batch, *told], self._batch)
        return in_batches(self._engine, [batch], self._batch)

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()


def in_batches(engine: Engine, arrays: list[Array], fixed: int | None) -> list[Array]:
    """All outputs [N, ...] for inputs [N, ...], ``fixed`` at a time (None: all) with zeros to fill up."""
    if fixed is None:
        return engine.run(arrays)
    parts = []
    for start in range(0, len(arrays[0]), fixed):
        part = [array[start : start + fixed] for array in arrays]
        have = len(part[0])
        if have < fixed:
            part = [np.pad(each, [(0, fixed - have)] + [(0, 0)] * (each.ndim - 1)) for each in part]
        parts.append([output[:have] for output in engine.run(part)])
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def with_absent(extras: Sequence[Extra], given: Sequence[Array | None], count: int) -> list[Array]:
    """What is ``given`` for each of a bundle's ``extras``, or what its network takes for "not there".

    Float32 [count, *shape] each.
    """
    given = given or (None,) * len(extras)
    return [
        absent(extra, count) if array is None else np.asarray(array, np.float32)
        for extra, array in zip(extras, given, strict=True)
    ]


def absent(extra: Extra, count: int) -> npt.NDArray[np.float32]:
    """The extra's "not there" for ``count`` faces, float32 [count, *shape]."""
    values = np.array(extra.absent, np.float32)
    one = values.reshape(extra.shape) if len(values) > 1 else np.full(extra.shape, values[0], np.float32)
    return np.repeat(one[None], count, 0)


def load_classifier(
    bundle: Bundle,
    engine: str,
    options: EngineOptions,
    prior: Prior = "",
    profile: Profile | None = None,
    kind: Kind = "expression",
) -> Classifier:
    """The bundle's model for the named engine, loaded, with its temperature, a prior and a person's profile.

    ``prior``: see ``Bundle.scaling_of``. ``kind``: what the bundle must be.
    Raises BundleInvalid, EngineError, ModelMismatch and UsageError.
    """
    if bundle.kind != kind:
        reads = "expressions" if kind == "expression" else "voices"
        raise UsageError(
            f"bundle '{bundle.path}' is of kind {bundle.kind} and reads no {reads}: give one that does"
        )
    scaling = bundle.scaling_of(engine, prior)
    if profile is not None:
        scaling = profile.applied(scaling, bundle.labels)
    running = engines.load(engine, bundle.model(engine), options)
    try:
        return Classifier(bundle, running, bundle.files[engine].layout, scaling)
    except BaseException:
        running.close()
        raise


def to_input(
    crops: Sequence[Image], spec: InputSpec, layout: Layout = "NCHW", dtype: str = "float32"
) -> npt.NDArray[Any]:
    """The network's input from crops of any size: normalised float32, or plain grey levels for uint8."""
    height, width = spec.shape
    sized = [at_size(crop, height) for crop in crops] if height == width else crops
    if spec.prepare:
        sized = [prepare(crop, spec.prepare) for crop in sized]
    batch: npt.NDArray[Any] = np.stack(sized).reshape(len(crops), height, width, spec.channels)
    if dtype != "uint8":
        batch = (batch - np.array(spec.mean, np.float32)) / np.array(spec.std, np.float32)
    if layout == "NCHW":
        batch = batch.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(batch)


def at_size(crop: Image, size: int) -> Image:
    """The crop at ``size`` pixels: averaged where it shrinks; growing, that would only repeat pixels."""
    if crop.shape[:2] == (size, size):
        return crop
    shrinks = min(crop.shape[:2]) > size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (size, size), interpolation=method), np.uint8)


def softmax(logits: Array, scaling: Scaling) -> Weights:
    """Weights [N, C] of logits [N, C], which ``scaling`` calibrates."""
    scale, bias = _arrays(scaling)
    scaled = logits * scale + bias
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    weights: Weights = powers / powers.sum(1, keepdims=True)
    return weights


@lru_cache(maxsize=8)
def _arrays(scaling: Scaling) -> tuple[Weights, Weights]:
    """Scale and bias, float64 [C] each: made once and not with every frame."""
    return np.array(scaling.scale), np.array(scaling.bias)


def _check_fit(bundle: Bundle, engine: Engine, layout: Layout) -> tuple[int | None, str]:
    """The model's fixed batch size (None: any) and input dtype. Raises ModelMismatch."""
    spec, who = bundle.input, f"bundle '{bundle.name}'"
    inputs = 1 + len(bundle.extras)
    if len(engine.inputs) != inputs or not 1 <= len(engine.outputs) <= 2:
        raise ModelMismatch(
            f"{who}: the model has {len(engine.inputs)} inputs and {len(engine.outputs)} outputs, "
            f"and must have {inputs} and one, or one more for features"
        )
    for tensor, extra in zip(engine.inputs[1:], bundle.extras, strict=True):
        if tensor.shape[1:] != extra.shape or tensor.dtype != "float32":
            raise ModelMismatch(
                f"{who}: the model's input '{tensor.name}' is {tensor.dtype} {tensor.shape}, "
                f"and float32 {extra.shape} a face was promised for '{extra.name}'"
            )
    for width in sorted({each.shape[-1] for each in bundle.extras if each.source in KEEPING}):
        beside = [tensor.shape[1:] for tensor in engine.outputs[1:]]
        if beside != [(width,)]:
            raise ModelMismatch(
                f"{who}: it wants to be told what it gave before, {width} numbers a face, and beside its "
                f"logits it gives {beside or 'nothing'}"
            )
    given, result = engine.inputs[0], engine.outputs[0]
    picture = (spec.channels, *spec.shape) if layout == "NCHW" else (*spec.shape, spec.channels)
    matches = len(given.shape) == 4 and all(
        have in (None, want) for have, want in zip(given.shape[1:], picture, strict=True)
    )
    if not matches:
        raise ModelMismatch(f"{who}: the model's input is {given.shape}, and {layout} {picture} was promised")
    if given.dtype not in ("float32", "uint8"):
        raise ModelMismatch(f"{who}: the model's input is {given.dtype}, and must be float32 or uint8")
    if len(result.shape) != 2 or result.shape[1] not in (None, len(bundle.labels)):
        raise ModelMismatch(
            f"{who}: the model's output is {result.shape}, and there are {len(bundle.labels)} labels"
        )
    if result.dtype != "float32":
        raise ModelMismatch(f"{who}: the model's output is {result.dtype}, and must be float32")
    return given.shape[0], given.dtype
