"""How the faces of a training set were cut out, measured: the runtime must cut its own faces the same way.

A data set's crops are of faces alone, so each is enlarged and given a margin before detectors search it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.bundle import CropRule
from edge.detect import Detector
from edge.errors import DataInvalid
from edge.progress import Progress
from edge.results import Face

RULES = Path(__file__).parent / "crop_rules"
SIDE, MARGIN = 192, 64  # pixels of the enlarged face and of the margin on each side
FEWEST = 30  # faces found below which a median says little


@dataclass(frozen=True)
class CropMeasurement:
    """A crop rule and what it rests on: faces looked at, and found by each detector.

    ``landmark_spread`` is the standard deviation of each landmark's place, in sides of the crop.
    """

    rule: CropRule
    data: str
    looked_at: int
    found_landmarks: int
    found_boxes: int
    landmark_spread: tuple[tuple[float, float], ...]


def measure(
    faces: npt.NDArray[np.uint8], name: str, landmarks_by: Detector, boxes_by: Detector
) -> CropMeasurement:
    """Where ``landmarks_by`` sees five landmarks and ``boxes_by`` the box in uint8 crops [N, H, W].

    Medians, the landmarks made symmetric because training mirrors faces. Raises DataInvalid where fewer
    than 30 faces are found by either.
    """
    points: list[npt.NDArray[np.float64]] = []
    boxes: list[tuple[float, float, float]] = []
    with Progress("measuring crops", len(faces), "faces") as progress:
        for face in faces:
            picture = _enlarged(face)
            if (found := _largest(landmarks_by(picture))) and found.landmarks:
                points.append((np.array(found.landmarks) - MARGIN) / SIDE)
            if found := _largest(boxes_by(picture)):
                x, y = found.box.centre
                side = found.box.area**0.5
                boxes.append((SIDE / side, (MARGIN + SIDE / 2 - x) / side, (MARGIN + SIDE / 2 - y) / side))
            progress.advance()
    if min(len(points), len(boxes)) < FEWEST:
        raise DataInvalid(
            f"{name}: landmarks found on {len(points)} faces and boxes on {len(boxes)} of {len(faces)}, "
            f"and {FEWEST} of each are needed to measure how faces are cut"
        )
    scale, shift_x, shift_y = (round(float(value), 3) for value in np.median(boxes, 0))
    middle = _symmetric(np.median(points, 0))
    return CropMeasurement(
        CropRule(_pairs(middle), scale, (shift_x, shift_y)),
        name,
        len(faces),
        len(points),
        len(boxes),
        _pairs(np.std(points, 0)),
    )


def as_json(measured: CropMeasurement) -> dict[str, Any]:
    """The measurement as the record that ``rule_for`` reads."""
    return {"schema": 1, "kind": "ferlite-crop-rule"} | asdict(measured)


def rule_for(name: str) -> CropRule:
    """The measured rule of the data set family ``name`` ("fer2013"). Raises DataInvalid."""
    path = RULES / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in RULES.glob("*.json")))
        raise DataInvalid(f"how faces of '{name}' are cut was never measured: known are {known}")
    rule = json.loads(path.read_text(encoding="utf-8"))["rule"]
    points = tuple((float(x), float(y)) for x, y in rule["landmarks"])
    shift_x, shift_y = rule["box_shift"]
    return CropRule(points, rule["box_scale"], (shift_x, shift_y))


def _enlarged(face: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    big = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    padded = cv2.copyMakeBorder(big, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(padded, cv2.COLOR_GRAY2BGR), np.uint8)


def _largest(faces: Sequence[Face]) -> Face | None:
    return max(faces, key=lambda face: face.box.area, default=None)


def _symmetric(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    mirrored = points[[1, 0, 2, 4, 3]] * (-1, 1) + (1, 0)
    both: npt.NDArray[np.float64] = (points + mirrored) / 2
    return both


def _pairs(points: npt.NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(x), 3), round(float(y), 3)) for x, y in points)
