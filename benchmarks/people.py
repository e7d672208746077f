"""What a way of training brings on people and pictures that nobody trained on: runs side by side.

    python -m benchmarks.people ARM=RUN... --data fer2013.npz --lfw lfw_expressions.npz \\
        [--rendered FACES.npz ...] --record people.json

RUN is a run's folder or its weights (.pt.xz); runs of the same ARM differ in their seed alone, and are joined
as mean and spread. Every network must have learnt with priors apart. Only splits that may choose are read:
FER2013's public faces under its own prior, FER+'s votes on them under theirs, the same worsened and small,
and LFW's choosing people as they are kept (96 px) and shrunk to 48 px, all of these without a prior. So are
drawn faces of 'ferlite train synth', whose rows say that they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.priors import LFW, choosing
from benchmarks.record import RECORDS, origin, save
from edge.classify import at_size
from faces import face_set, metrics, readers
from faces.domains import Domain
from faces.face_set import FaceSet
from faces.scaling import label_priors
from faces.scores import score
from train.checkpoint import load_run
from train.predict import predict

SHRUNK, DRAWN = 48, 96  # pixels
# Of LFW's, the expressions that enough of the choosing people show.
RARE = ("anger", "disgust", "fear", "sadness")


def shares_right(run: Path, train: FaceSet, found: list[Domain]) -> dict[str, float]:
    """By measure, shares 0-1 for one network."""
    trained = load_run(run)
    size, priors = trained.recipe.model.input_size, label_priors(train)
    told: dict[str, float] = {}
    for domain in found:
        cut = [at_size(face, size) if face.shape[0] > size else face for face in domain.faces.faces]
        logits = predict(trained.model, np.stack(cut), trained.recipe).astype(np.float64)
        own = priors.get(domain.faces.annotators) if domain.name in ("FER2013", "FER+") else None
        if own is not None:
            under = score(metrics.softmax(logits + np.log(own)), domain.faces.labels, domain.faces.classes)
            told[f"{domain.name}, own prior"] = under.accuracy
        even = score(metrics.softmax(logits), domain.faces.labels, domain.faces.classes)
        assert even.balanced is not None
        told[f"{domain.name}, balanced"] = even.balanced
        if domain.name == "FER2013":
            told |= {f"FER2013, {label}": even.recall[label] for label in RARE}
    return told


def joined(measured: Iterable[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and sample standard deviation of each measure over seeds."""
    rows = list(measured)
    return {
        name: {
            "mean": round(float(np.mean([row[name] for row in rows])), 4),
            "spread": round(float(np.std([row[name] for row in rows], ddof=1)) if len(rows) > 1 else 0.0, 4),
        }
        for name in rows[0]
    }


def markdown(record: dict[str, Any]) -> str:
    """The record as a table, a row an arm; the spread over seeds where there are several."""
    names = [name for name in next(iter(record["arms"].values())) if name != "seeds"]
    rows = [f"| | seeds | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for arm, told in record["arms"].items():
        shares = [
            f"{told[name]['mean']:.1%}" + (f" ± {told[name]['spread']:.1%}" if told["seeds"] > 1 else "")
            for name in names
        ]
        rows.append(f"| {arm} | {told['seeds']} | {' | '.join(shares)} |")
    said = f"{record['note']}. " if record["note"] else ""
    return "\n".join([*rows, "", f"{said}{record['date']}, `{record['command']}`"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", metavar="ARM=RUN")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--rendered", type=Path, action="append", default=[], help="drawn faces")
    parser.add_argument("--note", default="", help="what the arms have in common")
    parser.add_argument("--record", default="people.json", help="name of the record")
    args = parser.parse_args()
    train, _, found = choosing(args.data, args.lfw)
    lfw = next(domain for domain in found if domain.name == LFW)
    shrunk = np.stack([at_size(face, SHRUNK) for face in lfw.faces.faces])
    found.append(Domain(f"{LFW} at {SHRUNK} px", replace(lfw.faces, faces=shrunk)))
    for path in args.rendered:
        drawn = readers.read(path, DRAWN, search=False).splits.values()
        found.append(Domain(f"rendered, {path.stem}", face_set.joined(list(drawn), path.stem), real=False))
    arms: dict[str, list[dict[str, float]]] = {}
    for each in args.runs:
        arm, _, run = each.partition("=")
        told = shares_right(Path(run), train, found)
        arms.setdefault(arm, []).append(told)
        print(f"{arm:20}" + " ".join(f"{name} {share:.1%};" for name, share in told.items()))
    record: dict[str, Any] = {
        **origin("benchmarks.people"),
        "note": args.note,
        "arms": {arm: {"seeds": len(rows)} | joined(rows) for arm, rows in arms.items()},
    }
    save(record, RECORDS / args.record)


if __name__ == "__main__":
    main()
