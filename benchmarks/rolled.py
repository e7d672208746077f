"""What becomes of a face that is rolled: found, read as it is upright, doubted. Writes records/rolled.json.

    python -m benchmarks.rolled --data lfw_expressions.npz --detector-model face_detection_yunet_2023mar.onnx

Faces of LFW (40 of every label, 160 pixels on an even ground) are rolled by an angle. Once the detector
searches the picture as it stands ("plain"), once edge/upright.py does ("upright").
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import edge  # noqa: F401 - before OpenCV, whose log level it sets
from benchmarks.record import RECORDS, origin, save
from edge import bundle as bundles
from edge.classify import load_classifier
from edge.detect import DetectorOptions
from edge.detectors.yunet import YunetDetector
from edge.engine import EngineOptions
from edge.pipeline import Chosen, Pipeline

ANGLES = (0, 10, 20, 30, 40, 45, 60, 75, 90, 120, 135, 150, 180, 270)
CANVAS, FACE, EACH = 400, 160, 40
RECORD = RECORDS / "rolled.json"


class Plain(YunetDetector):
    """YuNet without its scores' say on which way is up."""

    scores = False


def pictures(data: Path) -> list[np.ndarray]:
    table = np.load(data)
    rng = np.random.default_rng(1)
    lfw = table["source"] == 0
    chosen = [rng.permutation(np.flatnonzero(lfw & (table["label"] == k)))[:EACH] for k in range(7)]
    made = []
    for index in np.concatenate(chosen):
        jpeg = table["jpeg"][table["offset"][index] : table["offset"][index + 1]]
        face = cv2.resize(cv2.imdecode(jpeg, 0), (FACE, FACE), interpolation=cv2.INTER_CUBIC)
        canvas = np.full((CANVAS, CANVAS), int(face.mean()), np.uint8)
        edge_of_it = (CANVAS - FACE) // 2
        canvas[edge_of_it : edge_of_it + FACE, edge_of_it : edge_of_it + FACE] = face
        made.append(cv2.cvtColor(canvas, cv2.COLOR_GRAY2BGR))
    return made


def rolled(picture: np.ndarray, degrees: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((CANVAS / 2, CANVAS / 2), -degrees, 1.0)
    return cv2.warpAffine(picture, matrix, (CANVAS, CANVAS), borderMode=cv2.BORDER_REPLICATE)


def measure(pipeline: Pipeline, faces: list[np.ndarray]) -> list[dict[str, Any]]:
    upright = [pipeline(face)[0].expression for face in faces]
    rows = []
    for angle in ANGLES:
        readings = [(pipeline(rolled(face, angle)) or [None])[0] for face in faces]
        seen = [(reading, label) for reading, label in zip(readings, upright, strict=True) if reading]
        same = [reading.expression == label for reading, label in seen]
        sure = [not reading.doubts for reading, _ in seen]
        wrong = [s and not a for s, a in zip(sure, same, strict=True)]
        rows.append(
            {
                "degrees": angle,
                "found": round(len(seen) / len(faces), 3),
                "as_upright": round(float(np.mean(same)), 3),
                "sure": round(float(np.mean(sure)), 3),
                "sure_and_other": round(float(np.mean(wrong)), 3),
            }
        )
    return rows


def markdown(record: dict[str, Any]) -> str:
    """The record as a table: found and read as upright, plainly searched and the right way up."""
    head = ["rolled by", "found, plain", "as upright, plain", "found", "as upright", "doubted"]
    rows = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for plain, upright in zip(record["rolled"]["plain"], record["rolled"]["upright"], strict=True):
        cells = [
            plain["found"],
            plain["as_upright"],
            upright["found"],
            upright["as_upright"],
            1 - upright["sure"],
        ]
        rows.append(f"| {plain['degrees']}° | " + " | ".join(f"{cell:.0%}" for cell in cells) + " |")
    where = (
        f"{record['date']}, {record['faces']} faces of LFW, {record['bundle']} in onnx: `{record['command']}`"
    )
    return "\n".join([*rows, "", where])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--detector-model", type=Path)
    parser.add_argument("--bundle", default="mobilenetv2")
    arguments = parser.parse_args()
    faces, bundle = pictures(arguments.data), bundles.load(arguments.bundle)
    record: dict[str, Any] = {
        "schema": 1,
        **origin("benchmarks.rolled"),
        "bundle": bundle.name,
        "faces": len(faces),
        "rolled": {},
    }
    for name, kind in (("plain", Plain), ("upright", YunetDetector)):
        detector = kind(DetectorOptions(size=CANVAS, model=arguments.detector_model))
        classifier = load_classifier(bundle, "onnx", EngineOptions())
        with Pipeline(bundle, detector, classifier, Chosen(bundle.name, "onnx", name, (), ())) as pipeline:
            record["rolled"][name] = measure(pipeline, faces)
    save(record, RECORD)
    for name, rows in record["rolled"].items():
        print(name, *(json.dumps(row) for row in rows), sep="\n  ")


if __name__ == "__main__":
    main()
