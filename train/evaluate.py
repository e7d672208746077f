"""One classifier on one face set: how often right, on what wrong, how far to be believed."""

from __future__ import annotations

import dataclasses
import datetime
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from edge import files
from edge.bundle_files.sections import AccuracyRecord, Scaling
from edge.commands.progress import Progress
from edge.errors import DataInvalid
from faces import metrics, scaling
from faces.corruptions import KINDS, STRENGTHS, corrupt
from faces.crop_rule import crop_rule_of
from faces.face_set import CROWD, FaceSet
from faces.face_set import OWN as OWNERS
from faces.labels import refuse_other
from faces.metrics import Floats, Indices
from faces.scores import score
from train.checkpoint import Trained
from train.classifier import Subject

SCHEMA = 1
OWN = "the bundle"  # what a temperature was read from that was not fitted here
KIND = "ferlite-evaluation"


@dataclass(frozen=True)
class Calibration:
    """How sure the network was and how sure it should have been, before and after its logits are scaled.

    ``temperature``: None where each label has a scale of its own. ``fitted_on`` names the face set that the
    scaling was fitted on, or the bundle it came with.
    """

    temperature: float | None
    fitted_on: str
    ece_before: float
    ece_after: float
    reliability_before: list[metrics.ConfidenceBin]
    reliability_after: list[metrics.ConfidenceBin]


def calibrate(logits: Floats, labels: Indices, how: Scaling, fitted_on: str) -> Calibration:
    """Calibration of ``logits`` [N, 7] against ``labels`` [N] without and with scaling."""
    before, after = metrics.softmax(logits), metrics.softmax(scaling.apply(how, logits))
    alike = len(set(how.scale)) == 1
    return Calibration(
        1 / how.scale[0] if alike else None,
        fitted_on,
        metrics.expected_calibration_error(before, labels),
        metrics.expected_calibration_error(after, labels),
        metrics.reliability(before, labels),
        metrics.reliability(after, labels),
    )


def evaluate(
    subject: Subject,
    test: FaceSet,
    calibrate_on: FaceSet,
    train: FaceSet | None = None,
    *,
    corruptions: bool = False,
) -> dict[str, Any]:
    """The evaluation record of ``subject`` on ``test``.

    A subject without a scaling of its own has a temperature fitted on ``calibrate_on``, under the priors of
    the labels of ``train`` (None: of ``calibrate_on``) where its logits expect nothing. A JSON-ready
    dictionary with ``schema``, ``kind``, ``model``, ``data``, ``environment``, ``score``, ``ferplus``
    (both ``faces.scores.Score``, the second against the FER+ majority labels; None where there are
    none), ``calibration`` and ``corruptions`` (None unless asked for: they take thirty times as long as all
    the rest). Where the subject has a scaling for the annotators that labelled, that is the one used.
    Raises DataInvalid.
    """
    refuse_other(f"'{subject.describe()['name']}'", subject.labels, test.name, test.classes)
    logits = subject.logits(test.faces)
    sets = test.followed()
    name = next(iter(sets))
    how, of_voters, fitted_on = subject.scaling(name), subject.scaling(CROWD), OWN
    if how is None:
        held_out = logits if test is calibrate_on else subject.logits(calibrate_on.faces)
        fitted = _fitted(subject, held_out, calibrate_on, train or calibrate_on)
        how, of_voters, fitted_on = fitted[""], fitted.get(CROWD), calibrate_on.name
    weights = metrics.softmax(scaling.apply(how, logits))
    ferplus = None
    if CROWD in sets:
        seen, crowd = sets[CROWD]
        of_crowd = metrics.softmax(scaling.apply(of_voters or how, logits[seen]))
        ferplus = dataclasses.asdict(score(of_crowd, crowd.labels, crowd.classes))
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "model": subject.describe(),
        "data": {"name": test.name, "faces": len(test), "sha256": test.sha256},
        "environment": environment(),
        "score": dataclasses.asdict(score(weights, test.labels, test.classes)),
        "ferplus": ferplus,
        "calibration": dataclasses.asdict(calibrate(logits, test.labels, how, fitted_on)),
        "corruptions": corruption_table(subject, test, how) if corruptions else None,
    }


def _fitted(subject: Subject, logits: Floats, faces: FaceSet, train: FaceSet) -> dict[str, Scaling]:
    """By annotators ("": the data set's own), the scaling of ``logits`` [N, 7] for their labels of ``faces``.

    Where logits expect nothing, each under the prior of those annotators' labels of ``train``.
    """
    if not subject.evidence:
        temperature = metrics.fit_temperature(logits, faces.labels)
        return {"": Scaling.of_temperature(temperature, len(faces.classes))}
    priors = scaling.label_priors(train)
    return {
        who if who == CROWD else "": scaling.fit(logits[seen], labelled.labels, priors[who or OWNERS]).scaling
        for who, (seen, labelled) in faces.followed().items()
        if (who or OWNERS) in priors
    }


def corruption_table(subject: Subject, test: FaceSet, how: Scaling) -> dict[str, list[float]]:
    """Accuracy on ``test`` corrupted in each of ``faces.corruptions``' ways, at each strength, scaled so."""
    rule = crop_rule_of(subject.crops)
    table: dict[str, list[float]] = {}
    with Progress("corruptions", len(KINDS) * STRENGTHS, "sets") as progress:
        for kind in KINDS:
            table[kind] = []
            for strength in range(STRENGTHS):
                faces = corrupt(test.faces, kind, strength, rule)
                predicted: Indices = scaling.apply(how, subject.logits(faces)).argmax(1)
                table[kind].append(metrics.accuracy(predicted, test.labels))
                progress.advance()
    return table


def environment() -> dict[str, str]:
    """When, on what and with which versions a figure was made."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def as_text(record: dict[str, Any]) -> str:
    """The record's main figures as a table for a terminal."""
    total, cal = record["score"], record["calibration"]
    low, high = total["interval"]
    lines = [
        f"{record['model']['name']} on {record['data']['name']}: {total['accuracy']:.2%} of {total['count']} "
        f"(95 % interval {low:.2%} to {high:.2%}), macro-F1 {total['macro_f1']:.3f}"
    ]
    if plus := record["ferplus"]:
        lines.append(
            f"FER+ majority labels: {plus['accuracy']:.2%} of {plus['count']}, "
            f"calibration error {plus['ece']:.2%}"
        )
    origin = f"of {OWN}" if cal["fitted_on"] == OWN else f"fitted on {cal['fitted_on']}"
    lines += [
        f"calibration error {cal['ece_before']:.2%}, {cal['ece_after']:.2%} with {scaled_by(cal)} ({origin})",
        f"{'':12}{'faces':>7}{'precision':>11}{'recall':>9}{'F1':>7}",
    ]
    for label, row in total["per_class"].items():
        lines.append(
            f"{label:12}{row['count']:7d}{row['precision']:11.1%}{row['recall']:9.1%}{row['f1']:7.3f}"
        )
    if table := record["corruptions"]:
        lines.append(f"{'corruption':12}" + "".join(f"{word:>9}" for word in ("light", "medium", "strong")))
        lines += [f"{kind:12}" + "".join(f"{each:9.1%}" for each in row) for kind, row in table.items()]
    return "\n".join(lines)


def scaled_by(calibration: dict[str, Any]) -> str:
    """What made the logits into weights, in words."""
    temperature = calibration["temperature"]
    return "a scale and a bias per label" if temperature is None else f"temperature {temperature:.3f}"


def read_record(path: Path) -> dict[str, Any]:
    """An evaluation record that ``evaluate --json`` wrote. Raises DataInvalid."""
    return files.read_record(path, KIND, SCHEMA, "ferlite-train evaluate")


def accuracy_records(path: Path, trained: Trained) -> list[AccuracyRecord]:
    """What bundle.json says of a written evaluation record of the very same weights.

    One record for the data set's own labels, and one for FER+'s where it was held against them. Raises
    DataInvalid.
    """
    record = read_record(path)
    model, data, plus = record["model"], record["data"]["name"], record["ferplus"]
    if model.get("weights_sha256") != trained.sha256:
        raise DataInvalid(f"'{path}' is a record of other weights than '{trained.path}'")
    measured = [(data, record["score"], record["calibration"]["ece_after"])]
    if plus:
        measured.append((f"{CROWD}-{data.rsplit('-', 1)[-1]}", plus, plus["ece"]))
    return [
        AccuracyRecord(
            data=name,
            images=score["count"],
            accuracy=round(score["accuracy"], 5),
            engine=model["engine"].split()[0],
            library=model["engine"],
            precision="float32",
            macro_f1=round(score["macro_f1"], 5),
            ece=round(error, 5),
        )
        for name, score, error in measured
    ]
