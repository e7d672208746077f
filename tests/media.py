"""Real pictures and videos, made on the spot by OpenCV and FFmpeg."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest


def ffmpeg() -> str:
    """The program: the system's, or the one inside imageio-ffmpeg. Skips where there is none."""
    if found := shutil.which("ffmpeg"):
        return found
    module = pytest.importorskip("imageio_ffmpeg", reason="FFmpeg makes the videos: pip install -e '.[dev]'")
    return str(module.get_ffmpeg_exe())


def make(path: Path, *options: str, before: tuple[str, ...] = (), source: str = "") -> Path:
    """Run FFmpeg into ``path``: from two seconds of its test picture at 25 frames/s, or from ``source``."""
    given = ("-i", source) if source else ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=2")
    command = [ffmpeg(), "-hide_banner", "-loglevel", "error", "-y", *before, *given, *options, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def cut(path: Path, share: float) -> Path:
    """A copy that ends after ``share`` of the file."""
    content = path.read_bytes()
    short = path.with_name(f"cut-{path.name}")
    short.write_bytes(content[: int(len(content) * share)])
    return short


def write_picture(path: Path, level: int = 128, shape: tuple[int, ...] = (20, 30, 3)) -> Path:
    """An even picture, encoded as the name says."""
    good, content = cv2.imencode(path.suffix, np.full(shape, level, np.uint8))
    assert good
    path.write_bytes(content.tobytes())
    return path


def write_video(path: Path, frames: int = 12, codec: str = "MJPG", rate: float = 10.0) -> Path:
    """Noise of 64 x 48 with a bar that brightens, by OpenCV's writer."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (64, 48))
    assert writer.isOpened()
    rng = np.random.default_rng(0)
    for index in range(frames):
        frame = rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)
        frame[:, :8] = index * 6
        writer.write(frame)
    writer.release()
    return path
