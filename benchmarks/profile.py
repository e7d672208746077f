"""What a person's profile is worth, by person.

    python -m benchmarks.profile --data lfw_expressions.npz

Every person's three calm faces (labelled neutral, surely neutral to the network) are seen first, and their
other faces are then read with the profile and without. Persons with even numbers, on whom the constants of
edge/profile.py were chosen, and the odd ones, whom no network was trained on, are told apart. Five draws of
which three are seen first. Writes records/profile.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import RECORDS, origin, save
from edge import bundle as bundles
from edge.classify import Weights, load_classifier, softmax
from edge.engine import Array, EngineOptions
from edge.profile import FEWEST, NEUTRAL, SURE, Learner
from edge.results import Box, Face, Reading
from faces import readers
from faces.face_set import FaceSet, joined

RECORD = RECORDS / "profile.json"
ENGINE, DRAWS, LEAST = "onnx", 5, 20
NOWHERE = Face(Box(0, 0, 96, 96))


def logits_of(bundle: bundles.Bundle, faces: FaceSet) -> Array:
    """The network's logits of every face, float32 [N, labels]."""
    classifier = load_classifier(bundle, ENGINE, EngineOptions(threads=1))
    parts = [classifier.logits(list(faces.faces[start : start + 64])) for start in range(0, len(faces), 64)]
    classifier.close()
    return np.concatenate(parts)


def readings(bundle: bundles.Bundle, weights: Weights) -> list[Reading]:
    """One a row of weights."""
    named = [dict(zip(bundle.labels, map(float, row), strict=True)) for row in weights]
    return [Reading(NOWHERE, row, max(row, key=row.__getitem__)) for row in named]


def by_person(bundle: bundles.Bundle, faces: FaceSet, logits: Array) -> dict[str, Any]:
    """How faces are read with and without their person's profile, JSON-ready."""
    assert faces.person is not None
    plain = bundle.scaling_of(ENGINE)
    weights, column = softmax(logits, plain), bundle.labels.index(NEUTRAL)
    usable = (faces.labels == column) & (weights[:, column] >= SURE)
    rows, people, with_it, truth, owner = [], set(), [], [], []
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        for person in np.unique(faces.person[usable]):
            own = np.flatnonzero(faces.person == person)
            first = rng.permutation(own[usable[own]])[:FEWEST]
            rest = np.setdiff1d(own, first)
            if len(first) < FEWEST or not len(rest):
                continue
            learner = Learner(bundle, ENGINE)
            for reading in readings(bundle, weights[first]):
                learner.take([reading])
            scaling = learner.profile().applied(plain, bundle.labels)
            with_it.append(softmax(logits[rest], scaling))
            rows.append(weights[rest])
            truth.append(faces.labels[rest])
            owner.append(np.full(len(rest), person))
            people.add(int(person))
    labels, persons = np.concatenate(truth), np.concatenate(owner)
    before, after = np.concatenate(rows), np.concatenate(with_it)
    one, other = figures(before, labels), figures(after, labels)
    right = (after.argmax(1) == labels).astype(float) - (before.argmax(1) == labels)
    gains = np.array([right[persons == person].mean() for person in sorted(people)])
    return {
        "people": len(people),
        "faces": len(labels) // DRAWS,
        "without": one,
        "with": other,
        "people_better": round(float((gains > 0).mean()), 4),
        "people_worse": round(float((gains < 0).mean()), 4),
    }


def figures(weights: Weights, labels: Any) -> dict[str, float]:
    """Accuracy, balanced accuracy over labels with LEAST faces in every draw, and the loss."""
    right = weights.argmax(1) == labels
    common = [label for label in np.unique(labels) if (labels == label).sum() >= LEAST * DRAWS]
    loss = -np.log(weights[np.arange(len(labels)), labels]).mean()
    return {
        "accuracy": round(float(right.mean()), 4),
        "balanced": round(float(np.mean([right[labels == label].mean() for label in common])), 4),
        "labels": len(common),
        "loss": round(float(loss), 4),
    }


def markdown(record: dict[str, Any]) -> str:
    """The record as a table: by bundle, people never trained on."""
    head = ["bundle", "people", "balanced, without", "with", "accuracy, without", "with", "better", "worse"]
    rows = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, entry in record["bundles"].items():
        odd = entry["never trained on"]
        shares = [
            odd["without"]["balanced"],
            odd["with"]["balanced"],
            odd["without"]["accuracy"],
            odd["with"]["accuracy"],
            odd["people_better"],
            odd["people_worse"],
        ]
        rows.append(f"| {name} | {odd['people']} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    return "\n".join([*rows, "", f"{record['date']}: `{record['command']}`"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="lfw_expressions.npz")
    arguments = parser.parse_args()
    data = readers.read(arguments.data, 48, search=False)
    even, odd = (
        known(joined([data.split("train"), data.split("public")], "lfw")),
        known(data.split("private")),
    )
    record: dict[str, Any] = {
        "schema": 1,
        **origin("benchmarks.profile"),
        "engine": ENGINE,
        "bundles": {},
    }
    for name in bundles.shipped():
        bundle = bundles.load(name)
        if NEUTRAL not in bundle.labels:
            continue
        record["bundles"][name] = {
            "chosen on": by_person(bundle, even, logits_of(bundle, even)),
            "never trained on": by_person(bundle, odd, logits_of(bundle, odd)),
        }
        print(name, json.dumps(record["bundles"][name]), file=sys.stderr)
    save(record, RECORD)
    print(markdown(record))


def known(faces: FaceSet) -> FaceSet:
    """Those of people who have calm faces to be seen first, and another."""
    assert faces.person is not None
    calm = faces.person[faces.labels == faces.classes.index(NEUTRAL)]
    people = [person for person in np.unique(calm) if (calm == person).sum() >= FEWEST]
    return faces.take(np.isin(faces.person, [one for one in people if (faces.person == one).sum() > FEWEST]))


if __name__ == "__main__":
    main()
