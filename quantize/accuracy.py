"""How good a model is in the engine that will run it, through the runtime's own classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge import engine as engines
from edge.bundle import Bundle
from edge.classify import Classifier
from edge.engine import EngineOptions, ModelFile
from edge.errors import BuildFailed
from faces import metrics
from faces.answers import of_all
from faces.domains import Domain
from faces.face_set import FaceSet
from faces.scores import balanced_accuracy
from quantize.builder import Built

Answers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """Answers held against labels; shares 0-1. ``f1`` per label, in the bundle's order."""

    images: int
    accuracy: float
    macro_f1: float
    f1: tuple[float, ...]


@dataclass(frozen=True)
class Change:
    """What int8 did to the float model's answers on the same faces.

    ``drop`` in percentage points of accuracy, negative where int8 is better. ``worst_class`` lost most F1:
    ``worst_drop``, in points. ``board``: points of balanced accuracy lost in each domain that was asked, and
    ``board_drop`` their mean.
    """

    drop: float
    agreement: float
    worst_class: str
    worst_drop: float
    board: Mapping[str, float] = field(default_factory=dict)

    @property
    def board_drop(self) -> float:
        """Points of balanced accuracy lost over all domains; 0 where none was asked."""
        return float(np.mean(list(self.board.values()))) if self.board else 0.0


def answers(bundle: Bundle, engine: str, built: Built, faces: FaceSet, threads: int = 0) -> Answers:
    """Logits float64 [N, labels] of every face, by ``edge``'s classifier, before any scaling.

    Raises BuildFailed where an answer is not a number, EngineError and ModelMismatch.
    """
    model = ModelFile(f"{bundle.name}/{engine}", built.parts)
    classifier = Classifier(bundle, engines.load(engine, model, EngineOptions(threads=threads)), built.layout)
    what = f"{engine} {built.precision} on {faces.name}"
    given: Answers = of_all(classifier, faces, what).astype(np.float64)
    if not np.isfinite(given).all():
        raise BuildFailed(f"{engine} {built.precision}: the model gives logits that are not numbers")
    return given


def score(given: Answers, faces: FaceSet) -> Score:
    """Answers [N, labels] held against the labels of ``faces``."""
    chosen: Any = given.argmax(1)
    return Score(
        len(faces),
        metrics.accuracy(chosen, faces.labels),
        metrics.macro_f1(chosen, faces.labels, len(faces.classes)),
        tuple(float(value) for value in metrics.f1_per_class(chosen, faces.labels, len(faces.classes))),
    )


def change(plain: Answers, quantized: Answers, faces: FaceSet, labels: tuple[str, ...]) -> Change:
    """What became of the answers ``plain`` [N, labels] when they came to be ``quantized``."""
    before, after = score(plain, faces), score(quantized, faces)
    drops = [was - now for was, now in zip(before.f1, after.f1, strict=True)]
    worst = int(np.argmax(drops))
    return Change(
        drop=100 * (before.accuracy - after.accuracy),
        agreement=float((plain.argmax(1) == quantized.argmax(1)).mean()),
        worst_class=labels[worst],
        worst_drop=100 * drops[worst],
    )


def lost(plain: Answers, quantized: Answers, domains: Sequence[Domain]) -> dict[str, float]:
    """Points of balanced accuracy that int8 lost in each domain; answers [all their faces, labels]."""
    points, start = {}, 0
    for domain in domains:
        those = slice(start, start := start + len(domain.faces))
        before, after = (
            balanced_accuracy(np.asarray(given[those].argmax(1)), domain.faces.labels, domain.faces.classes)
            for given in (plain, quantized)
        )
        points[domain.name] = round(100 * (before - after), 4)
    return points


def calibration_error(given: Answers, faces: FaceSet) -> float:
    """Expected calibration error 0-1 of the softmax of answers [N, labels]."""
    return metrics.expected_calibration_error(metrics.softmax(given), faces.labels)
