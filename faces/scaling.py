"""From logits to weights that can be believed: a temperature, and the prior under which labels were given.

    weights = softmax((logits - log learnt prior) / temperature + log prior)

The temperature is fitted on faces that the network did not learn from (Guo et al., ICML 2017), under the
prior of those who labelled them. It is one number, so it cannot carry the habits of a data set into a reading
as offsets per label did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge import priors
from edge.bundle import Bundle
from edge.bundle_files.sections import Scaling
from edge.errors import DataInvalid, UsageError
from edge.files import read_json
from faces import metrics
from faces.face_set import CROWD, OWN, FaceSet
from faces.labels import EXPRESSIONS

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]
Shares = tuple[float, ...]
FOLDS, SEED = 5, 1
BALANCED = "balanced"
TABLE = Path(__file__).parent / "priors.json"


@dataclass(frozen=True)
class Held:
    """On faces left out of the fit: mean negative log-likelihood, ECE (0-1) and accuracy (0-1)."""

    nll: float
    ece: float
    accuracy: float


@dataclass(frozen=True)
class Fitted:
    """The scaling to use, its temperature, and how it did on folds left out of the fit."""

    scaling: Scaling
    temperature: float
    held: Held


def fit(logits: Floats, labels: Indices, prior: Shares, learnt: Shares = ()) -> Fitted:
    """The temperature of ``logits`` [N, C] for ``labels`` [N] that were given under ``prior``."""
    out = np.zeros(logits.shape)
    folds = np.random.default_rng(SEED).permutation(len(labels)) % FOLDS
    for fold in range(FOLDS):
        inside, outside = folds != fold, folds == fold
        if inside.any() and outside.any():
            temperature = fit_temperature(logits[inside], labels[inside], prior, learnt)
            out[outside] = apply(Scaling.of_prior(temperature, prior, learnt), logits[outside])
    temperature = float(f"{fit_temperature(logits, labels, prior, learnt):.6g}")
    chances = metrics.softmax(out)
    held = Held(
        float(-np.log(chances[np.arange(len(labels)), labels]).mean()),
        metrics.expected_calibration_error(chances, labels),
        metrics.accuracy(chances.argmax(1), labels),
    )
    return Fitted(Scaling.of_prior(temperature, prior, learnt), temperature, held)


def fit_temperature(logits: Floats, labels: Indices, prior: Shares, learnt: Shares = ()) -> float:
    """The temperature, 0.05-20, under which ``labels`` are likeliest.

    Negative log-likelihood is unimodal in the logarithm of the temperature: a golden-section search.
    """
    rows = np.arange(len(labels))

    def cost(temperature: float) -> float:
        scaled = apply(Scaling.of_prior(temperature, prior, learnt), logits)
        return float(-metrics.log_softmax(scaled)[rows, labels].mean())

    return metrics.lowest(cost)


def apply(scaling: Scaling, logits: Floats) -> npt.NDArray[np.float64]:
    """Logits float64 [N, C], scaled: their softmax is the weights."""
    scaled: npt.NDArray[np.float64] = logits.astype(np.float64) * scaling.scale + scaling.bias
    return scaled


def label_priors(train: FaceSet) -> dict[str, Shares]:
    """By annotators, the shares of the labels that they gave to the faces of ``train``.

    FER+'s are those of its voters' majorities, which is what answers are held against.
    """
    classes = len(train.classes)
    sets = train.followed()
    return {who or OWN: _shares(faces.labels, classes) for who, (_, faces) in sets.items()}


def _shares(labels: Indices, classes: int) -> Shares:
    # One face more of each: an expression that was not met is rare, not impossible.
    counts = np.bincount(labels, minlength=classes) + 1.0
    return tuple(float(f"{share:.5g}") for share in counts / counts.sum())


def learnt_prior(logits: Floats) -> Shares:
    """What a network that learnt labels as they come expects before it looks: its mean answer [N, C]."""
    mean = metrics.softmax(logits).mean(0)
    return tuple(float(f"{share:.5g}") for share in mean / mean.sum())


def measured_priors(labels: tuple[str, ...]) -> tuple[str, dict[str, Shares]]:
    """The name of the prior that holds unless another is asked for, and the shares of all, by name.

    Only those of expressions were measured. Raises DataInvalid for a damaged table.
    """
    even = tuple(1 / len(labels) for _ in labels)
    if set(labels) != set(EXPRESSIONS):
        return BALANCED, {BALANCED: even}
    table = read_json(TABLE)
    try:
        found = {
            name: priors.shares(entry["shares"], labels, f"'{name}' in {TABLE.name}")
            for name, entry in table["priors"].items()
        }
        chosen = str(table["default"])
    except (KeyError, TypeError, AttributeError, UsageError) as error:
        raise DataInvalid(f"'{TABLE}' is damaged: {error}") from error
    return chosen, {BALANCED: even, **found}


def expecting(about: Bundle, logits: Floats, train: FaceSet, public: FaceSet, *, evidence: bool) -> Bundle:
    """The bundle with all its priors, told by the float network's ``logits`` [N, C] of ``public``.

    ``evidence``: the network learnt with the priors of its labels taken out; else its mean answer is what it
    expects. Annotators whose labels ask for another temperature than the surest ones' get a sharpness.
    """
    learnt = () if evidence else learnt_prior(logits)
    chosen, named = measured_priors(about.labels)
    labelled = label_priors(train)
    sets = {who or OWN: each for who, each in public.followed().items()}
    wanted = {
        who: fit_temperature(logits[seen], faces.labels, labelled[who], learnt)
        for who, (seen, faces) in sets.items()
        if who in labelled
    }
    sharpness = {who: float(f"{wanted[reference(wanted)] / each:.3g}") for who, each in wanted.items()}
    return replace(
        about,
        prior=chosen,
        priors={**named, **labelled},
        learnt_prior=learnt,
        sharpness={who: factor for who, factor in sharpness.items() if factor != 1},
    )


def reference(annotators: Mapping[str, object]) -> str:
    """The annotators whose labels an engine's temperature is fitted to: many voters before one."""
    return CROWD if CROWD in annotators else next(iter(annotators))


def fit_engine(about: Bundle, logits: Floats, public: FaceSet) -> dict[str, Fitted]:
    """By annotators, how ``logits`` [N, C] of ``public`` become weights under their prior.

    One temperature, fitted to the surest annotators' labels; the others' differs by the bundle's sharpness.
    """
    sets = {who or OWN: each for who, each in public.followed().items() if (who or OWN) in about.priors}
    fitted = {
        who: fit(logits[seen], faces.labels, about.priors[who], about.learnt_prior)
        for who, (seen, faces) in sets.items()
    }
    temperature = fitted[reference(fitted)].temperature
    return {
        who: replace(
            each,
            scaling=about.scaling_at(temperature, who),
            temperature=temperature / about.sharpness.get(who, 1.0),
        )
        for who, each in fitted.items()
    }
