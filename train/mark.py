"""FER2013's faces with the landmarks that a face mesh finds: what map_net learns from, and is probed on.

Nobody marked these by hand: the mesh's own errors are in them. A face in which no mesh is found is left
out, in the tests too, so that figures on a marked pack are of those faces only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge.files import whole
from faces.face_set import VOTE_NAMES, Pack, Split, read_packed

if TYPE_CHECKING:
    from train.synth.face_mesh import MeshReader

SPLITS: tuple[Split, ...] = ("train", "public", "private")
SIDE = 96  # pixels that a face is enlarged to before its mesh is read


def marked(pack: Pack, split: Split, reader: MeshReader, every: int) -> dict[str, Any]:
    """The arrays of one split: of every ``every``-th face that is no repeat, those with a mesh."""
    from edge.commands.progress import Progress

    kept, points = [], []
    chosen = np.flatnonzero(~pack.repeats & (pack.faces.std(axis=(1, 2)) > 1.0))[::every]
    with Progress(f"marking {split}", len(chosen), "faces") as progress:
        for index in chosen:
            large = cv2.resize(pack.faces[index], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            if (mesh := reader(np.asarray(large, np.uint8))) is not None:
                kept.append(index)
                points.append((mesh.landmarks[:, :2] + 0.5) / SIDE)
            progress.advance()
    return {
        f"{split}_x": pack.faces[kept],
        f"{split}_y": pack.labels[kept],
        f"{split}_fpvotes": pack.votes[kept],
        f"{split}_landmarks": np.array(points, np.float32).reshape(len(kept), 68, 2).astype(np.float16),
    }


def make(data: Path, reader: MeshReader, every: int) -> dict[str, Any]:
    """The arrays of a packed FER2013 whose every face is marked: every ``every``-th of those that choose and
    train, all of the private test. Raises DataInvalid.
    """
    arrays: dict[str, Any] = {"fp_classes": np.array(VOTE_NAMES)}
    for split in SPLITS:
        pack = read_packed(data, split)
        arrays |= marked(pack, split, reader, 1 if split == "private" else every)
        arrays["classes"] = np.array(pack.classes)
    nothing = np.zeros(len(arrays["train_x"]), bool)
    return arrays | {"train_in_test": nothing, "train_near_test": nothing}


def write(arrays: Mapping[str, Any], path: Path) -> None:
    """Write the pack. Raises StorageFailed."""
    with whole(path, keep_suffix=True) as part:
        np.savez_compressed(part, **arrays)
