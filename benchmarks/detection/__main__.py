"""How many faces are found at which size of search, and what following them between searches costs.

    python -m benchmarks.detection --photos FACE.jpg MORE.jpg --clips A.mp4 B.gif --detector yunet.onnx \\
        [--intel FOLDER] [--save benchmarks/records/detection.json]

The defaults of ``--detect-size`` and ``--detect-every`` rest on this record. Sizes: faces out of the clips
are shrunk to known sizes, several to a frame of 640 x 480, and searched for. Following: every clip is read
with a search at every k-th frame and held against one that searches all.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.detection import table as report
from benchmarks.detection.following import EVERY, follow, pooled
from benchmarks.detection.sizes import by_size
from benchmarks.peers import clips, table
from benchmarks.record import origin, save

MADE = 60  # frames of each clip made from photographs


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detection", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="as for benchmarks.peers")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="videos with faces")
    parser.add_argument("--detector", type=Path, required=True, help="YuNet's .onnx")
    parser.add_argument("--bundle", default="", help="for label flips (default: the shipped one)")
    parser.add_argument("--intel", type=Path, help="folder with Intel's face-detection-retail-0004")
    parser.add_argument("--frames", type=int, default=400, help="of each clip, at most (default: 400)")
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    videos = {path.stem: read(path, arguments.frames) for path in arguments.clips}
    found = by_size(list(videos.values()), arguments.detector, arguments.intel)
    with tempfile.TemporaryDirectory() as folder:
        for name, path in clips.make(arguments.photos, Path(folder), MADE).items():
            raw = np.fromfile(path, np.uint8)
            videos = {name: list(raw.reshape(-1, clips.HEIGHT, clips.WIDTH, 3)), **videos}
    followed = {
        name: {
            str(every): follow(frames, every, arguments.detector, arguments.bundle, name in table.CLIPS)
            for every in EVERY
        }
        for name, frames in videos.items()
    }
    record = {
        "schema": 1,
        "kind": "ferlite detection",
        **origin("benchmarks.detection"),
        "by_size": found,
        "following": {"all": pooled(followed), **followed},
    }
    save(record, arguments.save)
    print(f"{report.sizes(record)}\n\n{report.following(record)}")
    return 0


def read(path: Path, most: int) -> list[Any]:
    """The clip's first frames."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while len(frames) < most and (frame := capture.read()[1]) is not None:
        frames.append(frame)
    capture.release()
    if not frames:
        raise SystemExit(f"'{path}' is no video that OpenCV can read")
    return frames


if __name__ == "__main__":
    sys.exit(main())
