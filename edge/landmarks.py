"""Face crops to 68 landmarks and how surely each is seen: a bundle of kind "landmarks"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge import engine as engines
from edge.align import Image
from edge.bundle import Bundle
from edge.classify import in_batches, to_input
from edge.engine import EngineOptions
from edge.errors import ModelMismatch, UsageError

POINTS = 68  # in the order of iBUG's 300-W (Sagonas et al., Image and Vision Computing, 2016)
Floats = npt.NDArray[np.float32]


class Landmarker:
    """A landmarks bundle in an engine. Raises BundleInvalid, EngineError, ModelMismatch and UsageError."""

    def __init__(self, bundle: Bundle, engine: str, options: EngineOptions) -> None:
        if bundle.kind != "landmarks":
            raise UsageError(
                f"bundle '{bundle.path}' is of kind {bundle.kind} and gives no landmarks: give one that does"
            )
        self._spec, self._layout = bundle.input, bundle.files[engine].layout
        self._engine = engines.load(engine, bundle.model(engine), options)
        sizes = [int(np.prod([size or 0 for size in each.shape[1:]])) for each in self._engine.outputs]
        if len(self._engine.inputs) != 1 or sorted(sizes) != [POINTS, 2 * POINTS]:
            self._engine.close()
            raise ModelMismatch(
                f"bundle '{bundle.name}': a landmarks model gives {POINTS} points x, y and how surely each "
                f"is seen for a face, not outputs of {sizes} numbers"
            )
        self._points, self._visible = sizes.index(2 * POINTS), sizes.index(POINTS)
        self._batch, self._dtype = self._engine.inputs[0].shape[0], self._engine.inputs[0].dtype

    def __call__(self, crops: Sequence[Image]) -> tuple[Floats, Floats]:
        """Points float32 [N, 68, 2], in fractions of the crop, and float32 [N, 68], 0 hidden to 1 seen."""
        faces = to_input(crops, self._spec, self._layout, self._dtype)
        given = in_batches(self._engine, [faces], self._batch)
        points = given[self._points].reshape(-1, POINTS, 2).astype(np.float32)
        return points, np.clip(given[self._visible].reshape(-1, POINTS), 0, 1).astype(np.float32)

    def close(self) -> None:
        """Free the engine."""
        self._engine.close()
