"""What can be evaluated: a run's network in torch, or a bundle in the engine that will run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from edge import engine as engines
from edge.bundle import MANIFEST, Bundle, load
from edge.bundle_files.sections import Scaling
from edge.classify import load_classifier
from edge.engine import EngineOptions
from edge.errors import UsageError
from faces.labels import canonical
from train.checkpoint import Trained, load_run
from train.predict import predict

Floats = npt.NDArray[np.float64]


class Subject(Protocol):
    """A classifier of faces."""

    def scaling(self, annotators: str) -> Scaling | None:
        """How its logits become weights that follow ``annotators`` ("": its own choice).

        Where it has none for them it is that of its own choice; None: it has yet to be fitted.
        """
        ...

    @property
    def evidence(self) -> bool:
        """Whether its logits expect nothing: it learnt with the priors of its labels taken out."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """What it calls a face, in the order of ``logits``."""
        ...

    @property
    def crops(self) -> str:
        """The data set family whose measured crop rule its faces are cut by."""
        ...

    def logits(self, faces: npt.NDArray[np.uint8]) -> Floats:
        """Logits [N, C] in the order of ``labels``, before any scaling, of uint8 faces [N, H, W]."""
        ...

    def describe(self) -> dict[str, Any]:
        """Name, what made it, and the digests that identify it."""
        ...


class RunSubject:
    """A trained network; ``flip``: its mean with the mirrored face."""

    crops = "fer2013"

    def __init__(self, trained: Trained, flip: bool = False) -> None:
        self._trained, self._flip = trained, flip
        self.evidence = trained.recipe.evidence
        self.labels = trained.recipe.labels

    def scaling(self, annotators: str) -> Scaling | None:
        """See Subject."""
        return None

    def logits(self, faces: npt.NDArray[np.uint8]) -> Floats:
        """See Subject."""
        answers = predict(self._trained.model, faces, self._trained.recipe, flip=self._flip)
        return answers.astype(np.float64)

    def describe(self) -> dict[str, Any]:
        """See Subject."""
        return describe_run(self._trained) | {"engine": f"torch {torch.__version__}", "flip": self._flip}


class BundleSubject:
    """A bundle as the runtime runs it. Raises BundleInvalid, EngineError and ModelMismatch."""

    crops = "fer2013"

    def __init__(self, bundle: Bundle, engine: str = "auto", threads: int = 0) -> None:
        self.bundle = self._bundle = bundle
        self.evidence = not bundle.learnt_prior
        self._engine = engines.choose(engine, tuple(bundle.files)).name
        self._classify = load_classifier(bundle, self._engine, EngineOptions(threads=threads))
        self.labels = canonical(bundle.labels)
        self._columns = [bundle.labels.index(label) for label in self.labels]

    def scaling(self, annotators: str) -> Scaling:
        """See Subject."""
        known = annotators in self._bundle.priors or annotators in self._bundle.files[self._engine].scalings
        found = self._bundle.scaling_of(self._engine, annotators if known else "")
        return Scaling(
            tuple(found.scale[column] for column in self._columns),
            tuple(found.bias[column] for column in self._columns),
        )

    def logits(self, faces: npt.NDArray[np.uint8], batch: int = 256) -> Floats:
        """See Subject."""
        parts = [
            self._classify.logits(list(faces[start : start + batch])) for start in range(0, len(faces), batch)
        ]
        answers: Floats = np.concatenate(parts)[:, self._columns].astype(np.float64)
        return answers

    def describe(self) -> dict[str, Any]:
        """See Subject."""
        files = self._bundle.files[self._engine]
        return {
            "name": self._bundle.name,
            "input_size": self._bundle.input.size,
            "files": dict(files.parts),
            "precision": files.precision,
            "engine": engines.engine_class(self._engine).version(),
        }


def describe_run(trained: Trained) -> dict[str, Any]:
    """Recipe, number of weights, and digests of the file, the recipe, the data and the start."""
    return {
        "name": trained.recipe.name,
        "backbone": trained.recipe.model.backbone,
        "input_size": trained.recipe.model.input_size,
        "parameters": sum(each.numel() for each in trained.model.parameters()),
        "recipe_sha256": trained.recipe.sha256,
        "weights_sha256": trained.sha256,
        "data_sha256": trained.data,
        "init_sha256": trained.lineage.texts["init"],
    }


def open_subject(path: Path, engine: str, threads: int, flip: bool) -> Subject:
    """A bundle (a folder with bundle.json, a .zip) in ``engine``, or a run (a folder, best.pt).

    Raises FerliteError.
    """
    if path.suffix == ".zip" or (path / MANIFEST).is_file():
        if flip:
            raise UsageError("--flip is for runs: a bundle is measured as the runtime runs it")
        return BundleSubject(load(path), engine, threads)
    if engine != "auto":
        raise UsageError(f"--engine {engine} is for bundles: a run is measured in torch")
    return RunSubject(load_run(path), flip)
