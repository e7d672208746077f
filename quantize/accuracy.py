"""How good a model is in the engine that will run it, through the runtime's own classifier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge import engine as engines
from edge.bundle import Bundle
from edge.classify import Classifier
from edge.engine import EngineOptions, ModelFile
from edge.errors import BuildFailed
from faces import metrics, scores
from faces.answers import of_all
from faces.domains import Domain
from faces.face_set import FaceSet
from faces.scores import balanced_accuracy
from quantize.builder import Built
from quantize.proof.build_record import Change, Score

Answers = npt.NDArray[np.float64]


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
    """Answers [N, labels] held against the labels of ``faces``, as far as a build keeps it."""
    whole = scores.score(metrics.softmax(given), faces.labels, faces.classes)
    f1 = tuple(each.f1 for each in whole.per_class.values())
    return Score(whole.count, whole.accuracy, whole.macro_f1, f1)


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
