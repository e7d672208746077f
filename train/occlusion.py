"""What is still read of a face with something over it, and what it is worth to be told what is covered.

The faces' landmarks are known (``ferlite train mark``, ``train synth``), so what a drawn thing hides is too.
A network that is told regions is asked five times: with how far each part is seen, with what the shipped
landmarks network finds, as at run time, with all parts said to be seen, with another face's, whatever that
one wears, and with nothing told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from edge import bundle as bundles
from edge import engine as engines
from edge.engine import EngineOptions
from edge.extras.regions import PARTS, SHIPPED, masks
from edge.landmarks import Landmarker
from faces.face_set import FaceSet
from faces.metrics import accuracy
from train.checkpoint import Trained
from train.predict import as_seen, predict
from train.streams import refuse_unknown
from train.synth.wear import wear
from train.systems.map_net import MapNetNetwork
from train.systems.system import system_of

CLEAN = "nothing"
WORN = (CLEAN, "mask", "glasses", "hand", "scarf")
MOUTH = len(PARTS) - 1
MOST = 1000  # faces that things are drawn over
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Covered:
    """Faces uint8 [N, H, W] with one kind of thing over each, and how far landmarks are seen [N, 68]."""

    pictures: npt.NDArray[np.uint8]
    visible: Floats


def cover(faces: FaceSet, kind: str) -> Covered:
    """``faces``, whose landmarks are known, each wearing a ``kind`` of its own (CLEAN: nothing)."""
    assert faces.landmarks is not None
    pictures = faces.faces.copy()
    visible = (
        np.ones(faces.landmarks.shape[:2], np.float32) if faces.visible is None else faces.visible.copy()
    )
    for row in range(len(faces) if kind != CLEAN else 0):
        marks = faces.landmarks[row].astype(np.float64) * pictures.shape[1]
        dressed = wear(pictures[row], marks, kind, np.random.default_rng([17, WORN.index(kind), row]))
        pictures[row] = dressed.picture
        visible[row][dressed.covers(marks)] = 0
    return Covered(pictures, visible)


def told(faces: FaceSet, covered: Mapping[str, Covered], kind: str, grid: int) -> dict[str, Floats | None]:
    """What a network may be told of ``faces`` wearing ``kind``: masks [N, 6, G, G], None for nothing."""
    assert faces.landmarks is not None
    seen, rng = covered[kind].visible, np.random.default_rng(18)
    others = np.stack([each.visible for each in covered.values()])
    strange = others[rng.integers(len(others), size=len(faces)), rng.permutation(len(faces))]
    chosen = {"true": seen, "ones": np.ones_like(seen), "shuffled": strange}
    made: dict[str, Floats | None] = {
        name: masks(faces.landmarks, visible, grid) for name, visible in chosen.items()
    }
    return made | {"found": found(covered[kind].pictures, grid), "none": None}


def found(pictures: npt.NDArray[np.uint8], grid: int) -> Floats:
    """Masks [N, 6, G, G] of the landmarks that the shipped network finds in faces uint8 [N, H, W].

    Raises EngineError and ModelMismatch.
    """
    shipped = bundles.load(SHIPPED)
    engine = engines.choose("auto", shipped.files)
    landmarker = Landmarker(shipped, engine.name, EngineOptions(threads=1))
    try:
        parts = [landmarker(list(pictures[start : start + 256])) for start in range(0, len(pictures), 256)]
    finally:
        landmarker.close()
    points, visible = (np.concatenate(each) for each in zip(*parts, strict=True))
    return masks(points, visible, grid)


def rows_of(trained: Trained, test: FaceSet) -> dict[tuple[str, str], float]:
    """Accuracy by (what was told, what was worn), and how much the mouth weighs. Raises DataInvalid."""
    refuse_unknown("the probe 'occlusion'", ("landmarks",), test)
    faces = test.take(np.unique(np.linspace(0, len(test) - 1, min(MOST, len(test))).astype(int)))
    covered = {kind: cover(faces, kind) for kind in WORN}
    regions = [extra for extra in system_of(trained.recipe).extras if extra.name == "regions"]
    rows: dict[tuple[str, str], float] = {}
    for kind, worn in covered.items():
        data = f"{test.name}, {len(faces)} wearing {kind}"
        if not regions:
            rows["accuracy", data] = _right(trained, worn.pictures, None, faces.labels)
            continue
        for name, given in told(faces, covered, kind, regions[0].shape[1]).items():
            rows[f"accuracy, visibility {name}", data] = _right(trained, worn.pictures, given, faces.labels)
            if name == "true" and given is not None and isinstance(trained.model, MapNetNetwork):
                rows["weight of the mouth", data] = weight_of(trained, worn.pictures, given, MOUTH)
    return rows


def _right(
    trained: Trained, pictures: npt.NDArray[np.uint8], given: Floats | None, labels: npt.NDArray[np.int64]
) -> float:
    logits = predict(trained.model, pictures, trained.recipe, told=None if given is None else [given])
    return accuracy(np.asarray(logits.argmax(1)), labels)


def weight_of(trained: Trained, pictures: npt.NDArray[np.uint8], given: Floats, part: int) -> float:
    """What one of the six parts weighs among them, 0-1, on average over the faces."""
    network = trained.model
    assert isinstance(network, MapNetNetwork)
    device = next(network.parameters()).device
    weighed = []
    with torch.no_grad():
        for start in range(0, len(pictures), 256):
            x = as_seen(pictures[start : start + 256], trained.recipe).to(device)
            regions = torch.from_numpy(given[start : start + 256]).to(device)
            weights, _ = network.by_region.weights(network.trunk.lower(x), regions)
            weighed.append(weights[:, part].cpu().numpy())
    return float(np.concatenate(weighed).mean())
