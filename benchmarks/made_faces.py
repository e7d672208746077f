"""What the shipped networks say of made faces, expression by expression.

    python -m benchmarks.made_faces --heads ict_face.npz makehuman_head.npz --people 40 \\
        [--sheet sheet.jpg] [--save benchmarks/records/made_faces.json]

A recipe of facial actions is good when people would name the face, and this is the nearest to that which can
be measured without asking them: networks that never saw these people. No mean is taken over made and real
faces. The sheet is for looking at; what was seen on it stands in ``made_faces_seen.toml`` with the sheet's
digest, and goes into the record while the sheet is still the same.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.record import origin, save
from edge import bundle as bundles
from edge import strict
from edge.classify import softmax
from edge.errors import DataInvalid
from edge.files import write_bytes
from faces.crop_rule import crop_rule_of
from faces.labels import EXPRESSIONS
from train.classifier import BundleSubject
from train.synth import dataset
from train.synth.families import load_heads

SIDE, YAW, WEAKEST = 48, 20.0, 0.7  # as an everyday camera shows a face some way off
# As many faces of each expression are asked about: none is expected more than another.
PRIOR = "balanced"
SEEN = Path(__file__).parent / "made_faces_seen.toml"
SEEN_KEYS = ("date", "sheet_sha256", "remarks")


def said(made: dataset.MadeFaces, name: str) -> dict[str, Any]:
    """What the bundle ``name`` says of ``made``: shares of answers per expression, and the mean weight of
    it."""
    subject = BundleSubject(bundles.load(name), "auto", 1)
    weights = softmax(subject.logits(made.faces).astype(np.float32), subject.scaling(PRIOR))
    wanted = np.array([EXPRESSIONS.index(made.labels[label]) for label in made.label])
    answers = weights.argmax(1)
    rows = {}
    for number, label in enumerate(EXPRESSIONS):
        of_it = wanted == number
        counts = np.bincount(answers[of_it], minlength=len(EXPRESSIONS)) / max(1, of_it.sum())
        rows[label] = {
            "read_so": round(float(counts[number]), 3),
            "weight": round(float(weights[of_it, number].mean()), 3),
            "answers": {
                EXPRESSIONS[k]: round(float(counts[k]), 3) for k in np.argsort(-counts) if counts[k] > 0
            },
        }
    return {
        "bundle": name,
        "engine": subject.describe()["engine"],
        "source": made.source,
        "real": False,
        "faces": len(made),
        "balanced": round(float(np.mean([row["read_so"] for row in rows.values()])), 3),
        "expressions": rows,
    }


def looked(sheet: npt.NDArray[np.uint8], path: Path = SEEN) -> dict[str, Any] | None:
    """What somebody saw on ``sheet`` uint8 [H, W], by ``path``; None where that was another sheet."""
    seen = strict.read_toml(path.read_text("utf-8"), str(path), SEEN_KEYS, DataInvalid)
    return seen if seen["sheet_sha256"] == digest(sheet) else None


def digest(sheet: npt.NDArray[np.uint8]) -> str:
    """The sha256 of its pixels."""
    return hashlib.sha256(np.ascontiguousarray(sheet).tobytes()).hexdigest()


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a table for a terminal."""
    lines = [f"{'':50}" + "".join(f"{label[:9]:>10}" for label in EXPRESSIONS) + f"{'balanced':>10}"]
    for row in rows:
        shares = "".join(f"{row['expressions'][label]['read_so']:10.0%}" for label in EXPRESSIONS)
        lines.append(f"{row['source']:29} {row['bundle']:20}{shares}{row['balanced']:10.0%}")
    return "\n".join(lines)


def main() -> int:
    """Make the faces, read them, print, save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.made_faces", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--heads", type=Path, nargs="+", required=True, help="packed heads, of any family")
    parser.add_argument(
        "--people", type=int, default=40, help="of each family, seven faces each (default: 40)"
    )
    parser.add_argument("--sheet", type=Path, help="write the first faces of each family here, .png or .jpg")
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    rule, rows = crop_rule_of("fer2013"), []
    sheets: list[npt.NDArray[np.uint8]] = []
    wish = dataset.Wish(7 * arguments.people, SIDE, 5000, YAW, WEAKEST)
    for path in arguments.heads:
        made = dataset.make(load_heads(path), wish, rule)
        sheets.append(dataset.sheet(made))
        rows += [said(made, name) for name in bundles.shipped()]
    sheet = np.vstack(sheets)
    seen = looked(sheet)
    if seen is None:
        print(f"nobody has looked at this sheet: {digest(sheet)}", file=sys.stderr)
    record = {
        "schema": 1,
        "kind": "ferlite made faces",
        **origin("benchmarks.made_faces"),
        "side": SIDE,
        "yaw": YAW,
        "weakest": WEAKEST,
        "prior": PRIOR,
        "rows": rows,
        "looked": seen,
    }
    print(table(rows))
    if arguments.sheet:
        write_bytes(arguments.sheet, cv2.imencode(arguments.sheet.suffix, sheet)[1].tobytes())
    save(record, arguments.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
