"""Measure a bundle again, as it lies there, and hold it against what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge import bundle as bundles
from edge import engine as engines
from edge.bundle import Bundle
from edge.bundle_files import golden
from edge.bundle_files.golden import Outcome
from edge.classify import load_classifier, softmax
from edge.engine import EngineOptions
from edge.errors import UsageError
from faces import metrics
from faces.answers import of_all
from faces.face_set import OWN, FaceSet, Split
from faces.labels import refuse_other
from quantize.prepare import calibrate

# Other versions and processors round differently: a face or two in a thousand may change its answer.
TOLERANCE = 0.002


@dataclass(frozen=True)
class Check:
    """One engine on one face set, as ``quantize.proof.record.Figures`` names them.

    ``recorded`` is the accuracy that the bundle names, None where it says nothing of it.
    """

    engine: str
    library: str
    data: str
    images: int
    accuracy: float
    macro_f1: float
    ece: float
    recorded: float | None

    @property
    def holds(self) -> bool:
        """Whether the bundle's record is borne out."""
        return self.recorded is not None and abs(self.accuracy - self.recorded) <= TOLERANCE


def verify(where: str, data: Path, only: tuple[str, ...] = (), threads: int = 0) -> list[Check]:
    """Check every digest, then run both test splits through each engine (or those in ``only``).

    The private split too, though the build measured it: a record beside the model can be edited as the model
    can, and a claim that is only read is not verified. Nothing is chosen by what comes out.

    Raises BundleInvalid, DataInvalid, EngineError and UsageError.
    """
    bundle = bundles.load(where)
    bundle.verify()
    for engine in only:
        if engine not in bundle.files:
            raise UsageError(
                f"bundle '{bundle.path}' has no engine '{engine}': it has {', '.join(bundle.files)}"
            )
    splits: tuple[Split, ...] = ("public", "private")
    faces = calibrate.load_only(data, splits, bundle.input.size)
    refuse_other(f"bundle '{bundle.path}'", bundle.labels, faces[0].name, faces[0].classes)
    return [
        check
        for engine in only or bundle.files
        for each in faces
        for check in _checks(bundle, engine, each, threads)
    ]


def answers(where: str, only: tuple[str, ...] = ()) -> dict[str, Outcome | None]:
    """Per engine, this machine's golden answers against the bundle's; None where it has none.

    Raises BundleInvalid and EngineError.
    """
    bundle = bundles.load(where)
    return {engine: golden.check(bundle, engine) for engine in only or bundle.files}


def _checks(bundle: Bundle, engine: str, faces: FaceSet, threads: int) -> list[Check]:
    classifier = load_classifier(bundle, engine, EngineOptions(threads=threads))
    given = of_all(classifier, faces, f"{engine} on {faces.name}")
    checks = []
    for annotators, (seen, labelled) in faces.followed().items():
        known = annotators in bundle.priors or annotators in bundle.files[engine].scalings
        if known or annotators == OWN:
            weights = softmax(given[seen], bundle.scaling_of(engine, annotators if known else ""))
            checks.append(_check(bundle, engine, labelled, weights))
    return checks


def _check(bundle: Bundle, engine: str, faces: FaceSet, weights: npt.NDArray[np.float64]) -> Check:
    # The bundle's own order of classes decides, not the data set's.
    weights = weights[:, [bundle.labels.index(label) for label in faces.classes]]
    chosen: Any = weights.argmax(1)
    recorded = [
        record.accuracy for record in bundle.accuracy if (record.engine, record.data) == (engine, faces.name)
    ]
    return Check(
        engine=engine,
        library=engines.engine_class(engine).version(),
        data=faces.name,
        images=len(faces),
        accuracy=metrics.accuracy(chosen, faces.labels),
        macro_f1=metrics.macro_f1(chosen, faces.labels, len(faces.classes)),
        ece=metrics.expected_calibration_error(weights, faces.labels),
        recorded=recorded[0] if recorded else None,
    )
