"""A run's best weights in half the bytes, for the repository: float16, where that changes no answer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ToolchainError
from faces.face_set import FaceSet
from train.checkpoint import Trained, write
from train.predict import predict

# Share of the public test's faces whose answer may change: one in a thousand changes no figure we print.
TOLERATED = 0.001


@dataclass(frozen=True)
class Packed:
    """How many faces were answered, how many of the answers changed, and the file's bytes."""

    faces: int
    changed: int
    bytes: int


def pack(trained: Trained, public: FaceSet, out: Path) -> Packed:
    """Write filters and matrices of ``trained`` to ``out`` as float16; ``load_run`` reads it like a best.pt.

    An ``out`` that ends in .xz is compressed too.
    Raises ToolchainError, and writes nothing, where over ``TOLERATED`` of the answers to ``public`` change or
    a weight is too large for float16.
    """
    before = predict(trained.model, public.faces, trained.recipe).argmax(1)
    # Biases and batch normalisation are few, and a variance may be too small for float16.
    state = {
        name: tensor.half() if tensor.ndim > 1 else tensor
        for name, tensor in trained.model.state_dict().items()
    }
    large = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    if large:
        raise ToolchainError(f"'{trained.path}' stays float32: {large[0]} does not fit float16")
    halved = copy.deepcopy(trained.model)
    halved.load_state_dict(state)
    changed = int((predict(halved, public.faces, trained.recipe).argmax(1) != before).sum())
    if changed > TOLERATED * len(public):
        raise ToolchainError(
            f"'{trained.path}' stays float32: float16 changes {changed} of {len(public)} answers"
        )
    write(trained.pedigree | {"model": state}, out)
    return Packed(len(public), changed, out.stat().st_size)
