"""How a data set's faces are framed, measured: the crop and doubt rules of a bundle.

FER2013's faces were cut out by a detector nobody published. A network trained on them reads a live face
best when it is cut the same way, so the rule is taken from the pictures themselves: YuNet's landmarks and
the Haar cascade's box on training faces, in fractions of the picture.

    python -m faces.crop_rule --data fer2013.npz --detector-model face_detection_yunet_2023mar.onnx \\
        --bundle mobilenetv2

The bundle's network says how much blur it bears; it need not have the rules yet that are being measured.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge import bundle as bundles
from edge import engine as engines
from edge import strict
from edge.align import Image, sharpness, turn_of
from edge.bundle_files.sections import CropRule
from edge.classify import Classifier, load_classifier
from edge.commands import exits
from edge.commands.progress import Progress
from edge.detect import Detector, DetectorOptions
from edge.detectors.haar import HaarDetector
from edge.detectors.yunet import YunetDetector
from edge.engine import EngineOptions
from edge.errors import BundleInvalid, DataInvalid
from edge.files import read_json, write_text
from edge.results import Face
from faces.face_set import FaceSet, load_fer2013

RULES = Path(__file__).parent / "crops"
FER2013 = RULES / "fer2013.json"
FACE_PX = 24.0  # half the training size: beyond that, enlarging invents what is read
# Under it a reading is wrong more often than right: mean over FER2013, FER+, LFW, worsened and small faces.
WEIGHT = 0.5
SIGMAS = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
# At half this size YuNet finds fewer of the faces, and sets the eyes lower than the mean face has them.
LANDMARK_SIDE = 192


def blur_bound(faces: FaceSet, classifier: Classifier) -> tuple[float, list[dict[str, float]]]:
    """The sharpness at which blur has cost a tenth of the accuracy, and the curve that it was read from.

    Each point of the curve: Gaussian ``sigma`` in pixels of the crop, ``accuracy`` on ``faces`` so blurred,
    their median ``sharpness``. Between points the bound is interpolated. Raises DataInvalid where no blur
    does harm: such a network does not look at the face.
    """
    curve = []
    for sigma in SIGMAS:
        blurred = [_blurred(face, sigma) for face in faces.faces]
        answers = np.concatenate(
            [classifier(blurred[start : start + 256]).argmax(1) for start in range(0, len(blurred), 256)]
        )
        curve.append(
            {
                "sigma": sigma,
                "accuracy": round(float((answers == faces.labels).mean()), 4),
                "sharpness": round(float(np.median([sharpness(face) for face in blurred])), 4),
            }
        )
    least = 0.9 * curve[0]["accuracy"]
    for before, after in itertools.pairwise(curve):
        if after["accuracy"] < least:
            share = (before["accuracy"] - least) / (before["accuracy"] - after["accuracy"])
            return before["sharpness"] + share * (after["sharpness"] - before["sharpness"]), curve
    raise DataInvalid(f"{faces.name}: blur of {SIGMAS[-1]} pixels does not lower the accuracy by a tenth")


def _blurred(face: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(face, (0, 0), sigma), np.uint8) if sigma else face


def measure(faces: FaceSet, detector_model: Path, count: int, seed: int = 0) -> dict[str, Any]:
    """Crop and doubt rules from ``count`` faces drawn from ``faces``, with what they were measured on.

    Medians over the faces that the detector finds; landmarks are made symmetric, the training faces being
    mirrored at random. Doubt of a turned face begins beyond 99 % of them. Raises DataInvalid.
    """
    chosen = np.random.default_rng(seed).permutation(len(faces))[:count]
    yunet = YunetDetector(DetectorOptions(size=2 * LANDMARK_SIDE, score=0.7, model=detector_model))
    haar = HaarDetector(DetectorOptions(size=288))
    landmarks, turns, boxes = [], [], []
    with Progress("measuring", len(chosen), "faces") as progress:
        for picture in faces.faces[chosen]:
            if found := surest(yunet, picture, LANDMARK_SIDE):
                landmarks.append(_fractions(np.array(found.landmarks), LANDMARK_SIDE))
                turns.append(turn_of(found))
            if found := surest(haar, picture, 144):
                box = found.box
                corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]])
                boxes.append(_fractions(corners, 144))
            progress.advance()
    if len(landmarks) < 30 or len(boxes) < 30:
        raise DataInvalid(
            f"{faces.name}: too few faces found ({len(landmarks)} and {len(boxes)}) to measure by"
        )
    return {
        "crop": _crop(np.median(landmarks, 0), np.median(boxes, 0)),
        "doubt": {
            "face_px": FACE_PX,
            "turn": round(float(np.percentile(np.array(turns, float), 99)), 3),
            "weight": WEIGHT,
        },
        "measured": {
            "data": faces.name,
            "faces": len(chosen),
            "landmarks_found": len(landmarks),
            "boxes_found": len(boxes),
            "detector": detector_model.name,
        },
    }


def measured_rules(family: str) -> dict[str, Any]:
    """What ``measure`` found for the data set ``family``: tables "crop" and "doubt". Raises DataInvalid."""
    path = RULES / f"{family}.json"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in RULES.glob("*.json")))
        raise DataInvalid(f"how faces of '{family}' are cut was never measured: known are {known}")
    rules: dict[str, Any] = read_json(path)
    return rules


def crop_rule_of(family: str) -> CropRule:
    """The crop rule measured for the data set ``family``. Raises DataInvalid."""
    return strict.fill(CropRule, measured_rules(family)["crop"], f"{family}: crop", BundleInvalid)


def surest(detector: Detector, picture: Image, side: int) -> Face | None:
    """The surest face in ``picture`` enlarged to ``side`` pixels, with room of half a side around it."""
    edge = side // 2
    large = cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)
    room = cv2.copyMakeBorder(large, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    found = detector(np.asarray(cv2.cvtColor(room, cv2.COLOR_GRAY2BGR), np.uint8))
    return found[0] if found else None


def _fractions(points: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    return np.asarray(points / side - 0.5)


def _crop(points: npt.NDArray[np.float64], corners: npt.NDArray[np.float64]) -> dict[str, Any]:
    mirrored = points[[1, 0, 2, 4, 3]] * [-1, 1] + [1, 0]
    side = float((corners[1] - corners[0]).mean())
    shift = (0.5 - corners.mean(0)) / side
    return {
        "landmarks": ((points + mirrored) / 2).round(4).tolist(),
        "box_scale": round(1 / side, 3),
        "box_shift": [0.0, round(float(shift[1]), 3)],
    }


def main(argv: list[str] | None = None) -> int:
    """Measure, and write the rules to a file."""
    parser = argparse.ArgumentParser(prog="python -m faces.crop_rule", description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="packed FER2013 (.npz)")
    parser.add_argument("--detector-model", type=Path, required=True, help="YuNet's .onnx file")
    parser.add_argument("--bundle", default="", help="network that bears the blur (default: shipped)")
    parser.add_argument("--faces", type=int, default=3000, help="how many training faces (default: 3000)")
    parser.add_argument("--out", type=Path, default=FER2013, help="file to write")
    arguments = parser.parse_args(argv)

    def command() -> int:
        rules = measure(load_fer2013(arguments.data, "train"), arguments.detector_model, arguments.faces)
        bundle = bundles.load(arguments.bundle)
        engine = engines.choose("auto", bundle.files).name
        classifier = load_classifier(bundle, engine, EngineOptions())
        public = load_fer2013(arguments.data, "public")
        bound, curve = blur_bound(public, classifier)
        classifier.close()
        rules["doubt"]["sharpness"] = round(bound, 3)
        rules["doubt"]["sharpness_px"] = public.faces.shape[1]
        rules["measured"]["blur"] = {
            "data": public.name,
            "bundle": bundle.name,
            "engine": engine,
            "curve": curve,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_text(arguments.out, json.dumps(rules, indent=2) + "\n")
        print(arguments.out)
        return exits.OK

    return exits.guard("faces.crop_rule", command)


if __name__ == "__main__":
    sys.exit(main())
