"""Face sets: uint8 grey faces with a target distribution each, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid

Split = Literal["train", "public", "private"]

# The order every model of ours is trained in; the runtime reads it from the bundle, never from here.
LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
# FER2013 packed by hand names its classes by adjective; FER+ by noun. Both are mapped by name.
FER2013_NAMES = {
    "angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness",
    "sad": "sadness", "surprise": "surprise", "neutral": "neutral",
}  # fmt: skip


@dataclass(frozen=True)
class FaceSet:
    """Faces of one split.

    ``faces`` uint8 [N, H, W] grey; ``labels`` int64 [N] indexes LABELS; ``votes`` float32 [N, 7], each row
    summing to 1, or to 0 where no annotator chose one of the seven.
    """

    name: str
    faces: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    votes: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.faces)

    def targets(self, votes_weight: float, smoothing: float) -> npt.NDArray[np.float32]:
        """Float32 [N, 7] training targets: the smoothed label mixed with the votes where there are any."""
        hard = np.eye(len(LABELS), dtype=np.float32)[self.labels]
        hard = hard * (1 - smoothing) + smoothing / len(LABELS)
        share = np.where(self.votes.sum(1, keepdims=True) > 0, votes_weight, 0).astype(np.float32)
        mixed: npt.NDArray[np.float32] = (1 - share) * hard + share * self.votes
        return mixed


def load_fer2013(path: Path, split: Split) -> FaceSet:
    """One split of a packed FER2013 (arrays ``{split}_x``, ``_y``, ``_fpvotes``, ``classes``, ``fp_classes``).

    Training leaves out blank faces and every face that repeats, exactly or nearly, in either test split
    (masks ``train_in_test`` and ``train_near_test`` of the file). Test splits are returned whole.
    Raises DataInvalid.
    """
    try:
        with np.load(path, allow_pickle=False) as pack:
            faces, labels = pack[f"{split}_x"], pack[f"{split}_y"]
            votes = _seven(pack[f"{split}_fpvotes"], [str(name) for name in pack["fp_classes"]])
            classes = [FER2013_NAMES[str(name)] for name in pack["classes"]]
            leave_out = pack["train_in_test"] | pack["train_near_test"] if split == "train" else None
    except (OSError, KeyError, ValueError) as error:
        raise DataInvalid(f"'{path}' is not a packed FER2013: {error}") from error
    if faces.dtype != np.uint8 or faces.ndim != 3 or len(faces) != len(labels):
        raise DataInvalid(f"'{path}': {split}_x must be uint8 [N, H, W], not {faces.dtype} {faces.shape}")
    labels = np.array([LABELS.index(name) for name in classes], np.int64)[labels]
    if leave_out is not None:
        keep = ~leave_out & (faces.std(axis=(1, 2)) > 1.0)
        faces, labels, votes = faces[keep], labels[keep], votes[keep]
    return FaceSet(f"fer2013-{split}", faces, labels, votes)


def _seven(votes: npt.NDArray[np.uint8], names: list[str]) -> npt.NDArray[np.float32]:
    """FER+ votes [N, 10] to distributions over LABELS; contempt, unknown and not-a-face are dropped."""
    chosen = votes[:, [names.index(label) for label in LABELS]].astype(np.float32)
    total = chosen.sum(1, keepdims=True)
    return np.divide(chosen, total, out=np.zeros_like(chosen), where=total > 0)
