"""What is lost by searching and reading less than every frame, and what that spares.

    python -m benchmarks.pace --photos FACE.jpg MORE.jpg --clips A.mp4 B.gif --detector yunet.onnx \\
        [--chosen one A] [--save benchmarks/records/pace.json]

Every clip, and the two that benchmarks.peers makes of the photographs, is read as ``ferlite run`` reads it
and held against the same clip searched and read in every frame. The bounds of edge/video/pace.py, scene.py,
portrait.py and steady.py were chosen on the clips of ``--chosen``; the others are what the sums are of. Then
faces are replaced by others at known moments, to see how soon that is named.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.pace.agreement import Loop, compare, flips
from benchmarks.pace.switches import delays, pairs
from benchmarks.pace.table import markdown
from benchmarks.peers import clips
from benchmarks.record import origin, save
from edge.detect import DetectorOptions
from edge.detectors.yunet import YunetDetector

MADE, MADE_RATE = 120, 25.0


def main() -> int:
    """Measure, print, save."""
    arguments = _arguments()
    cv2.setNumThreads(1)
    every = Loop(arguments.bundle, arguments.detector, every=1, pace=0.0)
    paced = Loop(arguments.bundle, arguments.detector)
    rows = {}
    for name, frames, rate in _videos(arguments):
        wanted, cost = every.read(frames, rate)
        got, spent = paced.read(frames, rate)
        rows[name] = {
            "chosen_on": name in arguments.chosen,
            "frames": len(frames),
            **compare(wanted, got),
            **flips(got),
            **{f"every_{key}": value for key, value in flips(wanted).items()},
            **spent,
            "every_cpu_ms": cost["cpu_ms"],
        }
        print(f"{name}: {rows[name]}", file=sys.stderr)
    detector = YunetDetector(DetectorOptions(model=arguments.detector))
    changes = [
        each
        for pair in pairs([clips.photo(path) for path in arguments.photos], detector)
        for each in delays(every, paced, pair)
    ]
    record = _record(arguments, rows, changes)
    print(markdown(record))
    save(record, arguments.save)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pace", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="as for benchmarks.peers")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="videos with faces")
    parser.add_argument("--detector", type=Path, required=True, help="YuNet's .onnx")
    parser.add_argument("--bundle", default="", help="whose readings (default: the shipped one)")
    parser.add_argument("--chosen", nargs="*", default=[], help="clips that the bounds were chosen on")
    parser.add_argument("--frames", type=int, default=400, help="of each clip, at most (default: 400)")
    parser.add_argument("--save", type=Path, help="write the record here")
    return parser.parse_args()


def _videos(arguments: argparse.Namespace) -> Iterator[tuple[str, list[Any], float]]:
    with tempfile.TemporaryDirectory() as folder:
        for name, path in clips.make(arguments.photos, Path(folder), MADE).items():
            raw = np.fromfile(path, np.uint8)
            yield name, list(raw.reshape(-1, clips.HEIGHT, clips.WIDTH, 3)), MADE_RATE
    for path in arguments.clips:
        capture, frames = cv2.VideoCapture(str(path)), []
        rate = capture.get(cv2.CAP_PROP_FPS) or MADE_RATE
        while len(frames) < arguments.frames and (frame := capture.read()[1]) is not None:
            frames.append(frame)
        capture.release()
        if not frames:
            raise SystemExit(f"'{path}' is no video that OpenCV can read")
        yield path.stem, frames, rate


def _record(arguments: argparse.Namespace, rows: dict[str, Any], changes: list[Any]) -> dict[str, Any]:
    reported = [row for row in rows.values() if not row["chosen_on"]]
    keys = ("frames", "faces", "found", "beyond", "same", "same_label", "searches", "reads", "flips")
    return {
        "schema": 1,
        "kind": "ferlite pace",
        **origin("benchmarks.pace"),
        "clips": rows,
        "reported": {key: sum(row[key] for row in reported) for key in keys},
        "all": {key: sum(row[key] for row in rows.values()) for key in keys},
        "changes": changes,
    }


if __name__ == "__main__":
    sys.exit(main())
