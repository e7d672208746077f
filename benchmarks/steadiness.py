"""How steady a reading is: the same face, its photograph turned and shrunk, read again.

    python -m benchmarks.steadiness --photos FACE.jpg MORE.jpg --detector yunet.onnx \\
        [--save benchmarks/records/steadiness.json]

Each shipped network reads every face of the photographs as it is and in copies of the photograph that are
turned and shrunk. Nothing of the face changes, so the reading should not either. Where the network's input
is larger than the faces it was trained on, crops of both sizes are tried.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.peers.clips import photo
from benchmarks.record import origin, save
from edge import bundle as bundles
from edge.align import Image, align
from edge.bundle import Bundle
from edge.classify import load_classifier
from edge.detect import Detector, DetectorOptions
from edge.detectors.yunet import YunetDetector
from edge.engine import EngineOptions
from edge.results import Box, Face

ANGLES = (-30, -20, -10, 0, 10, 20, 30)
SCALES = (1.0, 0.7, 0.5)
LEAST = 48.0  # a face smaller than this in a copy has lost what the network would read
ENGINE = "onnx"


def copies(picture: Image) -> Iterator[tuple[Image, npt.NDArray[np.float64]]]:
    """The picture turned and shrunk in every way, as it is first, with the matrix [2, 3] that did it."""
    height, width = picture.shape[:2]
    for angle in sorted(ANGLES, key=abs):
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
        turned = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        for scale in SCALES:
            size = (round(width * scale), round(height * scale))
            small = cv2.resize(turned, size, interpolation=cv2.INTER_AREA)
            yield np.asarray(small, np.uint8), matrix * scale


def seen(picture: Image, detector: Detector) -> list[list[tuple[Image, Face]]]:
    """For each face of the picture, the copies that it is found in, and where."""
    found: list[list[tuple[Image, Face]]] = []
    for copy, matrix in copies(picture):
        faces = [face for face in detector(copy) if min(face.box.width, face.box.height) >= LEAST]
        if not found:
            found = [[(copy, face)] for face in faces]
            continue
        for views in found:
            x, y = matrix @ (*views[0][1].box.centre, 1.0)
            there = [face for face in faces if _covers(face.box, x, y)]
            views += [(copy, face) for face in there[:1]]
    return found


def _covers(box: Box, x: float, y: float) -> bool:
    return box.x < x < box.x + box.width and box.y < y < box.y + box.height


def spread(weights: npt.NDArray[np.float64]) -> tuple[float, float]:
    """How far readings [N, labels] of one face lie apart: their mean distance from their mean, and how many
    name another expression than most do.

    The distance is that in total variation, 0 to 1: how much weight would have to be moved.
    """
    distances = np.abs(weights - weights.mean(0)).sum(1) / 2
    names = weights.argmax(1)
    return float(distances.mean()), float((names != np.bincount(names).argmax()).mean())


def measure(views: Sequence[Sequence[tuple[Image, Face]]], bundle: Bundle, size: int) -> dict[str, Any]:
    """One row: the bundle's network on all faces, cut at ``size`` pixels."""
    rule = dataclasses.replace(bundle.crop, size=size)
    classifier = load_classifier(bundle, ENGINE, EngineOptions(threads=1))
    apart = [
        spread(classifier([align(picture, face, rule, bundle.input) for picture, face in each]))
        for each in views
    ]
    classifier.close()
    distances, others = np.array(apart).T
    return {
        "bundle": bundle.name,
        "input": bundle.input.size,
        "crop": size,
        "apart": round(float(distances.mean()), 4),
        "worst": round(float(distances.max()), 4),
        "other_names": round(float(others.mean()), 4),
    }


def markdown(record: dict[str, Any]) -> str:
    """The record as a table for the page."""
    rows = [
        "| bundle | input | crop | apart | worst face | another expression |",
        "|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        rows.append(
            f"| {row['bundle']} | {row['input']} px | {row['crop']} px | {row['apart']:.3f} "
            f"| {row['worst']:.3f} | {row['other_names']:.1%} |"
        )
    said = f"{record['faces']} faces, {record['readings']} readings of each network. {record['date']}: "
    return "\n".join([*rows, "", f"{said}`{record['command']}`"])


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.steadiness", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="pictures, or moving ones")
    parser.add_argument("--detector", type=Path, required=True, help="YuNet's .onnx")
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    detector = YunetDetector(DetectorOptions(model=arguments.detector))
    views = [each for path in arguments.photos for each in seen(photo(path), detector)]
    rows = []
    for name in bundles.shipped():
        bundle = bundles.load(name)
        for size in sorted({bundle.crop.size or bundle.input.size, bundle.input.size}):
            rows.append(measure(views, bundle, size))
    detector.close()
    record = {
        "schema": 1,
        "kind": "ferlite steadiness",
        **origin("benchmarks.steadiness"),
        "engine": ENGINE,
        "faces": len(views),
        "readings": sum(map(len, views)),
        "rows": rows,
    }
    print(markdown(record))
    save(record, arguments.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
