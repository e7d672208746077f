"""Small real data for the tests of train/: faces that can be learnt, packed as the readers expect them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from faces.clip_set import ClipSet
from faces.face_set import FaceSet

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
VOTE_NAMES = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
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
lr = 0.01
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


def clip_set(count: int, seed: int, length: int, people: int = 3) -> ClipSet:
    """Clips in which the bar of ``faces`` comes out of the noise; a neutral one stays noise."""
    last = face_set(count, seed)
    rng = np.random.default_rng(seed + 1)
    noise = rng.integers(20, 120, (count, length, 48, 48))
    share = np.linspace(0, 1, length)[None, :, None, None]
    clips = (noise + share * (last.faces[:, None] - noise)).astype(np.uint8)
    return ClipSet(
        **{each.name: getattr(last, each.name) for each in fields(FaceSet)}
        | {"faces": clips[:, -1], "person": np.arange(count) % people},
        clips=clips,
        strength=np.ones(count, np.float32),
        moments=np.zeros((count, 3), np.float32),
        paths=np.zeros((count, length, 68, 2), np.float32),
    )


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


def drawn_face(side: int) -> np.ndarray[Any, Any]:
    """A face of ellipses, uint8 [side, side], plain enough that OpenCV's cascade takes it for one."""
    face = np.full((side, side), 150, np.uint8)

    def ellipse(x: float, y: float, wide: float, high: float, grey: int) -> None:
        centre, axes = (round(x * side), round(y * side)), (round(wide * side), round(high * side))
        cv2.ellipse(face, centre, axes, 0, 0, 360, grey, -1, cv2.LINE_AA)

    ellipse(0.5, 0.5, 0.42, 0.5, 200)
    for x in (0.32, 0.68):
        ellipse(x, 0.37, 0.13, 0.07, 90)
        ellipse(x, 0.40, 0.05, 0.04, 20)
        ellipse(x, 0.29, 0.13, 0.025, 70)
    ellipse(0.5, 0.55, 0.05, 0.12, 225)
    ellipse(0.5, 0.64, 0.07, 0.02, 120)
    ellipse(0.5, 0.76, 0.17, 0.05, 90)
    return cv2.GaussianBlur(face, (0, 0), side / 60)
