"""How far the crop of a live face lies from how training faces are framed: what training must shake them by.

    python -m benchmarks.framing --data fer2013.npz --lfw lfw_expressions.npz \\
        --detector-model face_detection_yunet_2023mar.onnx

Training faces are enlarged, given room, found by the detector and cut by the crop rule, as a live face is.
The picture as it trains and that crop differ by a turn, a size and a shift.
Standard deviations and the 95th percentile of the absolute values, beside the widths of the recipe
``mobilenetv2-people``, whose changes are even from minus to plus that width. Writes records/framing.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.record import RECORDS, origin, save
from edge.align import crop_matrix
from edge.detect import DetectorOptions
from edge.detectors.yunet import YunetDetector
from faces import readers
from faces.crop_rule import LANDMARK_SIDE, crop_rule_of, surest
from train import recipe

RECORD = RECORDS / "framing.json"
RECIPE = "mobilenetv2-people"


def off(pictures: npt.NDArray[np.uint8], detector: YunetDetector) -> npt.NDArray[np.float64]:
    """Of every picture [N, H, W] in which a face is found: degrees, log of size, shift right and down in
    sides of the picture, float64 [M, 4]."""
    rule, side, rows = crop_rule_of("fer2013"), LANDMARK_SIDE, []
    for picture in pictures:
        face = surest(detector, picture, side)
        if face is None or face.landmarks is None:
            continue
        matrix = crop_matrix(face, rule, side)
        # The picture's middle lies one side right and down of the room's corner.
        x, y = matrix @ (side, side, 1.0) / side - 0.5
        turn = complex(matrix[0, 0], matrix[1, 0])
        rows.append((np.degrees(np.angle(turn)), np.log(abs(turn)), x, y))
    return np.array(rows, np.float64)


def markdown(record: dict[str, Any]) -> str:
    """The record as a table: the spread, in brackets what 95 % lie within; the recipe's even changes last."""
    rows = ["| training faces | found | degrees | size | right | down |", "|---|---|---|---|---|---|"]
    for name, about in record["data"].items():
        told = about["measures"]
        shares = [
            f"{told[key]['spread']:.0%} ({told[key]['95 %']:.0%})" for key in ("log size", "right", "down")
        ]
        turned = f"{told['degrees']['spread']:.1f} ({told['degrees']['95 %']:.1f})"
        cells = [f"`{name}`", f"{about['found']} of {about['faces']}", turned, *shares]
        rows.append(f"| {' | '.join(cells)} |")
    changes, even = record["recipe"], 3**0.5
    spread = [f"{changes['rotate'] / even:.1f} ({0.95 * changes['rotate']:.1f})"]
    spread += [
        f"{changes[key] / even:.0%} ({0.95 * changes[key]:.0%})" for key in ("scale", "shift", "shift")
    ]
    rows.append(f"| {' | '.join(['recipe `' + changes['name'] + '`', '', *spread])} |")
    return "\n".join([*rows, "", f"{record['date']}, `{record['command']}`"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--detector-model", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=1000)
    args = parser.parse_args()
    detector = YunetDetector(DetectorOptions(size=2 * LANDMARK_SIDE, score=0.7, model=args.detector_model))
    rows: dict[str, Any] = {}
    for path, side in ((args.data, 48), (args.lfw, 96)):
        faces = readers.read(path, side, search=False).split("train")
        chosen = np.random.default_rng(0).permutation(len(faces))[: args.faces]
        found = off(faces.faces[chosen], detector)
        rows[faces.name] = {
            "faces": len(chosen),
            "found": len(found),
            "measures": {
                name: {
                    "middle": round(float(np.median(column)), 4),
                    "spread": round(float(column.std()), 4),
                    "95 %": round(float(np.percentile(np.abs(column - np.median(column)), 95)), 4),
                }
                for name, column in zip(("degrees", "log size", "right", "down"), found.T, strict=True)
            },
        }
    detector.close()
    changes = recipe.load(RECIPE).augment
    record = {
        **origin("benchmarks.framing"),
        "recipe": {"name": RECIPE, "rotate": changes.rotate, "scale": changes.scale, "shift": changes.shift},
        "data": rows,
    }
    print(json.dumps(record, indent=1))
    save(record, RECORD)


if __name__ == "__main__":
    main()
