"""What a build measured, as JSON: short in bundle.json, in full in build.json."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge import engine as engines
from edge.bundle import Bundle
from edge.bundle_files.sections import AccuracyRecord, Scaling
from faces.face_set import FaceSet
from faces.scaling import Fitted, apply, fit_engine, reference
from measure import machine
from quantize import accuracy
from quantize.accuracy import Answers
from quantize.builder import builder
from quantize.ladder import Candidate, Climb, Rung
from quantize.network.source import Source
from quantize.prepare.calibrate import Splits
from quantize.proof.build_record import Change, Held, Score
from quantize.recipe import Gate, Ladder
from quantize.sensitivity import Cost

SCHEMA = 1


@dataclass(frozen=True)
class Figures:
    """One engine's shipped model on one face set, held against float in the same engine. Shares are 0-1.

    ``data``: fer2013-SPLIT, or ferplus-SPLIT for the faces of the same split whose FER+ voters have a
    majority, held against that. Both models answer as the runtime would under these annotators' prior, each
    at the temperature that was fitted on its own answers to the public split. ``ece`` is the expected
    calibration error with that, ``ece_before`` without. ``plain_unscaled`` is the float model's accuracy as
    the gate saw it: under the prior, at temperature 1.
    """

    engine: str
    data: str
    precision: str
    plain: Score
    shipped: Score
    change: Change
    plain_unscaled: float
    ece_before: float
    ece: float
    ece_float: float


@dataclass(frozen=True)
class Measured:
    """All engines' climbs, the temperatures fitted on each one's shipped model, and figures on both splits.

    ``fitted``: engine -> annotators -> scaling under their prior. ``crossed``: engine -> prior -> whose
    labels it is held against, on the private split.
    ``sensitivity``: what 8 bits cost in each layer alone, from input to output; empty where none was scanned.
    """

    climbs: Sequence[Climb]
    fitted: Mapping[str, Mapping[str, Fitted]]
    figures: Sequence[Figures]
    crossed: Mapping[str, Mapping[str, Mapping[str, Held]]]
    sensitivity: Sequence[Cost] = ()


def measure(climbs: Sequence[Climb], splits: Splits, bundle: Bundle, threads: int) -> Measured:
    """Both splits' figures under the priors of ``bundle``.

    The private split is run here for the first time, when all is chosen.
    """
    figures = []
    chosen, crossed = {}, {}
    for each in climbs:
        pair = (each.plain, each.shipped)
        fitted = [fit_engine(bundle, candidate.public, splits.public) for candidate in pair]
        chosen[each.engine] = fitted[1]
        private = [
            accuracy.answers(bundle, each.engine, candidate.built, splits.private, threads)
            for candidate in pair
        ]
        public = [candidate.public for candidate in pair]
        for split, given in ((splits.public, public), (splits.private, private)):
            for annotators, (seen, faces) in split.followed().items():
                if annotators in fitted[1]:
                    how = [scalings[annotators] for scalings in fitted]
                    answers = [each_given[seen] for each_given in given]
                    figures.append(_figures(each, faces, answers, how, bundle))
        temperature = fitted[1][reference(fitted[1])].temperature
        crossed[each.engine] = {
            name: _held(private[1], splits.private, bundle.scaling_at(temperature, name))
            for name in bundle.priors
        }
    return Measured(climbs, chosen, figures, crossed)


def _held(given: Answers, faces: FaceSet, how: Scaling) -> dict[str, Held]:
    """Answers [N, labels] to ``faces``, scaled so, against the labels of each group of annotators."""
    scaled = apply(how, given)
    return {
        annotators: Held(
            accuracy.score(scaled[seen], labelled).accuracy,
            accuracy.calibration_error(scaled[seen], labelled),
        )
        for annotators, (seen, labelled) in faces.followed().items()
    }


def _figures(
    climb: Climb, faces: FaceSet, given: list[Answers], fitted: list[Fitted], bundle: Bundle
) -> Figures:
    plain, shipped = (apply(how.scaling, answers) for how, answers in zip(fitted, given, strict=True))
    return Figures(
        engine=climb.engine,
        data=faces.name,
        precision=climb.shipped.built.precision,
        plain=accuracy.score(plain, faces),
        shipped=accuracy.score(shipped, faces),
        change=accuracy.change(plain, shipped, faces, bundle.labels),
        plain_unscaled=accuracy.score(given[0] + np.array(fitted[0].scaling.bias), faces).accuracy,
        ece_before=accuracy.calibration_error(given[1], faces),
        ece=accuracy.calibration_error(shipped, faces),
        ece_float=accuracy.calibration_error(plain, faces),
    )


def accuracy_records(measured: Measured) -> tuple[AccuracyRecord, ...]:
    """bundle.json's ``accuracy``: one record per engine and face set."""
    return tuple(
        AccuracyRecord(
            data=each.data,
            images=each.shipped.images,
            accuracy=round(each.shipped.accuracy, 5),
            engine=each.engine,
            library=engines.engine_class(each.engine).version(),
            precision=each.precision,
            macro_f1=round(each.shipped.macro_f1, 5),
            ece_before=round(each.ece_before, 5),
            ece=round(each.ece, 5),
            fp32_accuracy=round(each.plain.accuracy, 5),
            agreement=round(each.change.agreement, 5),
        )
        for each in measured.figures
    )


def made_by(command: str, source: Source, ladder: Ladder, climbs: Sequence[Climb]) -> dict[str, Any]:
    """bundle.json's ``made_by``: the recipes with their sha256, and the command."""
    used = {
        each.engine: {"recipe": each.shipped.recipe.name, "sha256": each.shipped.recipe.sha256}
        if each.shipped.recipe
        else {"recipe": "float", "sha256": None}
        for each in climbs
    }
    return {
        "command": command,
        "train": {
            "recipe": source.name,
            "file": source.recipe_file,
            "sha256": source.recipe_sha256,
            "weights_sha256": source.weights_sha256,
            **source.origin,
        },
        "quantize": used,
        "ladder": {"name": ladder.name, "sha256": ladder.sha256},
    }


def full(
    bundle: Bundle, measured: Measured, splits: Splits, gate: Gate, build_facts: tuple[float, float]
) -> dict[str, Any]:
    """build.json: everything that was tried and measured, JSON-ready.

    ``build_facts``: the export's relative error, and the seconds that the build took.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "schema": SCHEMA,
        "kind": "ferlite-build",
        "name": bundle.name,
        "date": now.strftime("%Y-%m-%d"),
        "seconds": round(build_facts[1], 1),
        "machine": dataclasses.asdict(machine.here()),
        "made_by": dict(bundle.made_by),
        "labels": list(bundle.labels),
        "input": dataclasses.asdict(bundle.input),
        "export_error": build_facts[0],
        "data": {each.name: len(each) for each in (splits.train, splits.public, splits.private)},
        "gate": dataclasses.asdict(gate),
        "sensitivity": [_rounded(each) for each in measured.sensitivity],
        "engines": {each.engine: _climb(each, measured) for each in measured.climbs},
    }


def _rounded(cost: Cost) -> dict[str, Any]:
    return {
        "layer": cost.layer,
        "kl": float(f"{cost.kl:.4g}"),
        "sqnr_db": round(cost.sqnr_db, 2),
        "agreement": round(cost.agreement, 4),
        "drop": round(cost.drop, 3),
    }


def _climb(climb: Climb, measured: Measured) -> dict[str, Any]:
    return {
        "passed": climb.passed,
        "shipped": _name(climb.shipped),
        "library": engines.engine_class(climb.engine).version(),
        "builder": builder(climb.engine).versions(),
        "float": _candidate(climb.plain),
        "rungs": [_rung(each) for each in climb.rungs],
        "scalings": {
            annotators: dataclasses.asdict(fitted)
            for annotators, fitted in measured.fitted[climb.engine].items()
        },
        "crossed": {
            followed: {against: dataclasses.asdict(held) for against, held in row.items()}
            for followed, row in measured.crossed[climb.engine].items()
        },
        "figures": [dataclasses.asdict(each) for each in measured.figures if each.engine == climb.engine],
    }


def _rung(rung: Rung) -> dict[str, Any]:
    return {
        "recipe": rung.recipe.name,
        "sha256": rung.recipe.sha256,
        "objections": list(rung.objections),
        **(_candidate(rung.candidate) if rung.candidate else {}),
        "change": _change(rung.change) if rung.change else None,
        "race": dataclasses.asdict(rung.race) if rung.race else None,
    }


def _change(change: Change) -> dict[str, Any]:
    return {**dataclasses.asdict(change), "board_drop": round(change.board_drop, 4)}


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "precision": candidate.built.precision,
        "bytes": candidate.built.size,
        "peak_rss_mib": candidate.peak_rss_mib,
    }


def _name(candidate: Candidate) -> str:
    return candidate.recipe.name if candidate.recipe else "float"
