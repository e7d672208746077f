"""The training faces that show a quantizer what values pass through the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import InputSpec, Layout
from edge.classify import to_input
from edge.errors import DataInvalid
from faces import readers
from faces.answers import as_seen
from faces.face_set import FaceSet, Split, load_fer2013
from faces.readers import lfw
from quantize.recipe import CalibrationRecipe


@dataclass(frozen=True)
class Splits:
    """The data set: what may be calibrated on, what is chosen by, and what is only ever reported."""

    train: FaceSet
    public: FaceSet
    private: FaceSet


def load_splits(path: Path, side: int = 48) -> Splits:
    """All three splits of packed FER2013, or of another data set at ``side`` pixels.

    Raises DataInvalid, also where a training face is one of a test split's.
    """
    splits = Splits(*load_only(path, ("train", "public", "private"), side))
    tests = {
        face.tobytes() for test in (splits.public, splits.private) for face in test.faces if face.std() > 1
    }
    if any(face.tobytes() in tests for face in splits.train.faces):
        raise DataInvalid(f"'{path}': a training face is also a test face, so no figure could be trusted")
    return splits


def load_only(path: Path, names: Sequence[Split], side: int = 48) -> list[FaceSet]:
    """The splits ``names`` of packed FER2013, or of another data set at ``side`` pixels.

    Raises DataInvalid.
    """
    if path.is_dir() or lfw.has_arrays(path, lfw.ARRAYS):
        found = readers.read(path, side)
        return [found.split(name) for name in names]
    return [load_fer2013(path, name) for name in names]


def choose(train: FaceSet, how: CalibrationRecipe, classes: int) -> npt.NDArray[np.uint8]:
    """The faces uint8 [N, H, W] at the places ``chosen``. Raises DataInvalid."""
    faces: npt.NDArray[np.uint8] = train.faces[chosen(train, how, classes)]
    return faces


def chosen(train: FaceSet, how: CalibrationRecipe, classes: int) -> npt.NDArray[np.int64]:
    """Places in ``train`` of ``how.faces`` faces, drawn by ``how.seed``, every class getting its fair share.

    Classes are drawn in turn, so that the 1.5 % of FER2013 that is disgust shapes the ranges as well.
    Raises DataInvalid for too few faces and for a class that has none.
    """
    if len(train) < how.faces:
        raise DataInvalid(f"{train.name} has {len(train)} faces, and the recipe calibrates on {how.faces}")
    if len(train.faces[0]) == 0 or train.faces.ndim != 3:
        raise DataInvalid(f"{train.name} holds no pictures to calibrate on")
    draw = np.random.default_rng(how.seed)
    queues = [draw.permutation(np.flatnonzero(train.labels == label)) for label in range(classes)]
    for label, queue in enumerate(queues):
        if len(queue) == 0:
            raise DataInvalid(f"{train.name} has no face of class {label}: calibration needs all {classes}")
    longest = max(len(queue) for queue in queues)
    turns = [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]
    return np.array(turns[: how.faces])


def inputs(faces: npt.NDArray[np.uint8], spec: InputSpec, layout: Layout = "NCHW") -> npt.NDArray[Any]:
    """Faces uint8 [N, H, W] as the runtime would feed them: float32 [N, C, S, S], or in the other layout."""
    return to_input(list(as_seen(faces, spec.channels)), spec, layout)


def in_turn(values: npt.NDArray[np.float32], start: int, count: int) -> npt.NDArray[np.float32]:
    """``count`` rows of ``values`` [K, ...] from row ``start`` on, beginning anew after the last."""
    return values[np.arange(start, start + count) % len(values)]
