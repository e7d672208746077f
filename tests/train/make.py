"""Small real data for the tests of train/: faces that can be learnt, packed as the readers expect them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from train.data import FaceSet

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
VOTE_NAMES = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
# Where each of CLASSES stands among VOTE_NAMES.
VOTE_COLUMN = (4, 5, 6, 1, 3, 2, 0)

RECIPE = """
schema = 1
name = "tiny"
[model]
backbone = "mobilenet_v2"
input_size = 16
width = 0.1
[data]
votes_weight = 0.5
[augment]
rotate = 10
scale = 0.1
shift = 0.05
shear = 0.05
light = 0.2
noise = 5
blur = 0.2
erase = 0.3
mixup = 0.2
[train]
epochs = 3
batch_size = 8
lr = 0.05
warmup_epochs = 0.5
label_smoothing = 0.1
ema = 0.9
seed = 7
"""


def faces(labels: np.ndarray[Any, Any], seed: int, side: int = 48) -> np.ndarray[Any, Any]:
    """Uint8 [N, side, side]: a bright bar whose place tells the class, on noise."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(20, 120, (len(labels), side, side))
    width = side // 8
    for picture, label in zip(pictures, labels, strict=True):
        start = int(label) * side // 7
        picture[:, start : start + width] += 120
    return pictures.astype(np.uint8)


def face_set(count: int, seed: int, side: int = 48) -> FaceSet:
    labels = np.random.default_rng(seed).integers(0, 7, count)
    votes = np.eye(7, dtype=np.float32)[labels]
    return FaceSet(f"made-{seed}", faces(labels, seed, side), labels, votes, labels.copy())


def pack(counts: dict[str, int], side: int = 48) -> dict[str, Any]:
    """The arrays of a packed FER2013 with so many faces per split."""
    arrays: dict[str, Any] = {"classes": np.array(CLASSES), "fp_classes": np.array(VOTE_NAMES)}
    for seed, (split, count) in enumerate(counts.items()):
        labels = np.random.default_rng(seed).integers(0, 7, count)
        votes = np.zeros((count, 10), np.uint8)
        votes[np.arange(count), np.array(VOTE_COLUMN)[labels]] = 10
        arrays |= {
            f"{split}_x": faces(labels, seed, side),
            f"{split}_y": labels,
            f"{split}_fpvotes": votes,
        }
    arrays["train_in_test"] = np.zeros(counts["train"], bool)
    arrays["train_near_test"] = np.zeros(counts["train"], bool)
    return arrays


def write_pack(path: Path, train: int = 40, public: int = 21, private: int = 21) -> Path:
    np.savez(path, **pack({"train": train, "public": public, "private": private}))
    return path
