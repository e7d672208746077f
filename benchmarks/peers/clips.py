"""Two clips of 640 x 480 made from photographs: `one` shows one face, `many` shows them all.

    python -m benchmarks.peers.clips --photos FACE.jpg MORE.jpg ... --to FOLDER   the same as videos

The camera pans, its gain drifts and its sensor adds noise, all from fixed seeds: the same photographs give
the same bytes. Frames are stored raw (uint8 [N, 480, 640, 3], BGR), so that no peer's decoder is measured.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT, MARGIN = 640, 480, 32
NOISE = 4.0
FRAME_BYTES = WIDTH * HEIGHT * 3
Image = Any


def make(photos: Sequence[Path], folder: Path, frames: int) -> dict[str, Path]:
    """Write both clips: the first photograph alone, and all of them in a grid of at least six."""
    pictures = [photo(path) for path in photos]
    scenes = {"one": fitted(pictures[0], WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN), "many": grid(pictures)}
    clips = {}
    for name, scene in scenes.items():
        clips[name] = folder / f"{name}.raw"
        with clips[name].open("wb") as file:
            for frame in shots(scene, frames):
                file.write(frame.tobytes())
    return clips


def photo(path: Path) -> Image:
    """A picture, or the first frame of what moves."""
    picture = cv2.imread(str(path))
    if picture is None:
        capture = cv2.VideoCapture(str(path))
        picture = capture.read()[1]
        capture.release()
    if picture is None:
        raise SystemExit(f"'{path}' is no picture that OpenCV can read")
    return picture


def fitted(picture: Image, width: int, height: int) -> Image:
    """The picture's middle, filling ``width`` x ``height``."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = (math.ceil(picture.shape[1] * scale), math.ceil(picture.shape[0] * scale))
    large = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return large[top : top + height, left : left + width]


def grid(pictures: Sequence[Image]) -> Image:
    """All pictures in three columns, mirrored when they come again, until six cells are full."""
    cells = max(6, len(pictures))
    rows = math.ceil(cells / 3)
    wide, high = (WIDTH + 2 * MARGIN) // 3, (HEIGHT + 2 * MARGIN) // rows
    scene = np.zeros((HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN, 3), np.uint8)
    for cell in range(cells):
        picture = pictures[cell % len(pictures)]
        if cell // len(pictures) % 2:
            picture = picture[:, ::-1]
        row, column = divmod(cell, 3)
        part = fitted(picture, wide, high)
        scene[row * high : (row + 1) * high, column * wide : (column + 1) * wide] = part
    return scene


def shots(scene: Image, frames: int) -> Any:
    """The scene as a shaky, flickering, noisy camera sees it."""
    random = np.random.default_rng(7)
    for index in range(frames):
        x, y = place(index)
        gain = 1 + 0.25 * math.sin(0.6 * 2 * math.pi * index / 60)
        frame = scene[y : y + HEIGHT, x : x + WIDTH] * gain
        frame += random.normal(0, NOISE, frame.shape)
        yield frame.clip(0, 255).astype(np.uint8)


def place(index: int) -> tuple[int, int]:
    """Left and top of frame ``index`` in its scene, pixels: the camera's own, and only, motion."""
    turn = 2 * math.pi * index / 60
    return round(MARGIN * (1 + math.sin(turn))), round(MARGIN * (1 + math.sin(1.7 * turn)))


def main() -> int:
    """Write both clips as .avi files (Motion JPEG), for ``ferlite bench --source``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.clips")
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="the first has one face")
    parser.add_argument("--to", type=Path, required=True, help="folder for one.avi and many.avi")
    parser.add_argument("--frames", type=int, default=120, help="of each (default: 120)")
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, raw in make(arguments.photos, Path(folder), arguments.frames).items():
            path = arguments.to / f"{name}.avi"
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (WIDTH, HEIGHT))
            for frame in np.fromfile(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3):
                writer.write(frame)
            writer.release()
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
