"""Climb one engine's ladder: quantize by each recipe in turn until one passes the gate.

Rungs are chosen by the public split alone; the private split is looked at once, by whoever reports.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle import Bundle
from edge.errors import BuildFailed, ModelMismatch, RecipeInvalid
from faces.domains import Domain
from faces.face_set import FaceSet
from measure import machine, memory
from measure.race import Race, race
from quantize import accuracy
from quantize.accuracy import Answers
from quantize.builder import Builder, Built, Float, builder
from quantize.gate import holds, objections
from quantize.mixed_precision import variants
from quantize.network.export import from_files, to_files
from quantize.network.source import Source
from quantize.prepare import calibrate
from quantize.prepare.steps import prepare
from quantize.proof.build_record import Change
from quantize.recipe import Gate, QatRecipe, Recipe, SensitivityRecipe
from quantize.sensitivity import Cost, scan, worst
from quantize.workspace import Workspace


@dataclass(frozen=True)
class Setting:
    """What all rungs of a build share. ``bundle`` has temperature 1; ``threads`` 0: all cores.

    ``expected`` [labels] is added to logits before answers are held against the public labels: the logarithm
    of the labels' prior, where the network learnt with it taken out. ``board``: the domains of the gate.
    """

    source: Source
    network: Float
    bundle: Bundle
    train: FaceSet
    public: FaceSet
    work: Workspace
    threads: int = 0
    sensitivity: SensitivityRecipe = field(default=SensitivityRecipe())
    expected: tuple[float, ...] = ()
    board: tuple[Domain, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A model that could be shipped. ``recipe`` None is the float model.

    ``public`` are its answers [N, labels] there, ``board`` those to the faces of all domains after it.
    """

    engine: str
    recipe: Recipe | None
    built: Built
    public: Answers
    peak_rss_mib: float
    board: Answers = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True)
class Rung:
    """One recipe's outcome. ``objections`` is empty where it passed; no ``candidate``: it did not build."""

    recipe: Recipe
    objections: tuple[str, ...]
    candidate: Candidate | None = None
    change: Change | None = None
    race: Race | None = None


@dataclass(frozen=True)
class Climb:
    """One engine's outcome: the float model, every rung tried, and what is shipped."""

    engine: str
    plain: Candidate
    shipped: Candidate
    rungs: tuple[Rung, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether a quantized model passed the gate."""
        return self.shipped.recipe is not None


def climb(engine: str, recipes: tuple[Recipe, ...], gate: Gate, setting: Setting) -> Climb:
    """Try ``recipes`` in order; ship the first that passes, or the float model where none does.

    Raises EngineError where the engine or its quantizer is not here, and BuildFailed where even the float
    model does not build.
    """
    make = builder(engine)
    plain = _candidate(engine, None, make, setting, None)
    rungs: list[Rung] = []
    for recipe in recipes:
        if (recipe.mixed or recipe.qat) and any(_only_slow(rung, gate) for rung in rungs):
            rungs.append(Rung(recipe, ("not tried: a rung before held the accuracy, and this is no faster",)))
            continue
        for variant in variants_of(recipe, setting):
            rungs.append(_try(variant, plain, make, gate, setting))
            won = rungs[-1].candidate
            if not rungs[-1].objections and won is not None:
                return Climb(engine, plain, won, tuple(rungs))
    return Climb(engine, plain, plain, tuple(rungs))


def _only_slow(rung: Rung, gate: Gate) -> bool:
    """Whether nothing but its speed kept a rung from passing."""
    return bool(rung.change and rung.race and rung.objections and holds(rung.change, gate))


def sensitivity(setting: Setting) -> list[Cost]:
    """What 8 bits cost in each layer, scanned once for all engines; empty where no scan is asked for."""
    how = setting.sensitivity
    if not how.faces:
        return []
    classes = len(setting.bundle.labels)
    kept = setting.work.value(
        "sensitivity",
        {**dataclasses.asdict(how), "libraries": builder("onnx").versions()},
        lambda: [dataclasses.asdict(each) for each in scan(setting.network, setting.train, how, classes)],
    )
    return [Cost(**each) for each in kept]


def variants_of(recipe: Recipe, setting: Setting) -> list[Recipe]:
    """The recipes that one of mixed precision stands for; any other is itself."""
    if recipe.mixed is None:
        return [recipe]
    costs = sensitivity(setting)
    return variants(recipe, worst(costs), costs[0].layer)


def _try(recipe: Recipe, plain: Candidate, make: Builder, gate: Gate, setting: Setting) -> Rung:
    try:
        candidate = _candidate(plain.engine, recipe, make, setting, plain.built)
    except (BuildFailed, RecipeInvalid, ModelMismatch) as error:
        return Rung(recipe, (str(error),))
    change = _change(plain, candidate, setting)
    lap = _race(recipe, plain, candidate, make, setting)
    return Rung(recipe, tuple(objections(change, lap, gate)), candidate, change, lap)


def _change(plain: Candidate, candidate: Candidate, setting: Setting) -> Change:
    expected = np.array(setting.expected or [0.0] * len(setting.bundle.labels))
    return dataclasses.replace(
        accuracy.change(
            plain.public + expected, candidate.public + expected, setting.public, setting.bundle.labels
        ),
        board=accuracy.lost(_all(plain), _all(candidate), setting.board),
    )


def _race(
    recipe: Recipe, plain: Candidate, candidate: Candidate, make: Builder, setting: Setting, where: str = ""
) -> Race:
    """Float against int8; ``where``: on what it is run, if that is another machine than the build's."""
    timed = setting.work.value(
        f"race-{plain.engine}",
        {"recipe": recipe.sha256, "libraries": make.versions()},
        lambda: dataclasses.asdict(
            dataclasses.replace(
                race(plain.engine, plain.built, candidate.built, setting.bundle.input), machine=where
            )
        ),
    )
    return Race(**{**timed, "ratios": tuple(timed["ratios"])})


def float_model(engine: str, setting: Setting) -> Candidate:
    """The engine's float model, and its answers. Raises BuildFailed and EngineError."""
    return _candidate(engine, None, builder(engine), setting, None)


def holds_ahead(engine: str, recipe: Recipe, gate: Gate, setting: Setting) -> bool:
    """Make one rung's steps before the climb asks for them; whether it holds the gate's accuracy."""
    plain = float_model(engine, setting)
    try:
        candidate = _candidate(engine, recipe, builder(engine), setting, plain.built)
    except (BuildFailed, RecipeInvalid, ModelMismatch):
        return False
    return holds(_change(plain, candidate, setting), gate)


def raced(engine: str, recipe: Recipe, setting: Setting, *, elsewhere: bool) -> Race:
    """One rung's race before the climb asks for it. ``elsewhere``: not on the machine of the build."""
    plain, make = float_model(engine, setting), builder(engine)
    candidate = _candidate(engine, recipe, make, setting, plain.built)
    return _race(
        recipe, plain, candidate, make, setting, machine.here().cpu or "unknown" if elsewhere else ""
    )


def _candidate(
    engine: str, recipe: Recipe | None, make: Builder, setting: Setting, plain: Built | None
) -> Candidate:
    inputs = {"engine": engine, "recipe": recipe.sha256 if recipe else None, "libraries": make.versions()}
    step = f"{engine}-{recipe.name if recipe else 'float'}"
    built = _stored(setting, step, inputs, lambda: _build(recipe, make, setting, plain))
    kept = setting.work.files(
        f"answers-{step}",
        {**inputs, "domains": [domain.faces.sha256 for domain in setting.board]},
        lambda: _answers(engine, built, setting),
    )
    peak = setting.work.value(
        f"memory-{step}", inputs, lambda: memory.peak_rss(engine, built, setting.bundle.input)
    )
    public, board = (
        np.load(io.BytesIO(kept[name]), allow_pickle=False) for name in ("public.npy", "board.npy")
    )
    return Candidate(engine, recipe, built, public, float(peak), board)


def _build(recipe: Recipe | None, make: Builder, setting: Setting, plain: Built | None) -> Built:
    if recipe is None or plain is None:
        return make.plain(setting.network)
    faces = calibrate.choose(setting.train, recipe.calibration, len(setting.bundle.labels))
    network = _trained(recipe.qat, setting) if recipe.qat else setting.network
    prepared = prepare(network, recipe, faces, corrects_bias=make.corrects_bias)
    if prepared is not setting.network:
        plain = make.plain(prepared)
    return make.quantize(prepared, plain, recipe, faces)


def trained(recipe: Recipe, setting: Setting) -> None:
    """Train as the recipe's rung will ask for."""
    if recipe.qat:
        _trained(recipe.qat, setting)


def _trained(how: QatRecipe, setting: Setting) -> Float:
    """The network after quantization-aware training, which is done once for all engines."""
    import torch

    from quantize.prepare.qat import train_quantized

    kept = setting.work.files(
        "qat",
        {**dataclasses.asdict(how), "libraries": {"torch": torch.__version__}},
        lambda: to_files(train_quantized(setting.source, setting.train, how)),
    )
    return dataclasses.replace(setting.network, exported=from_files(kept))


def _stored(setting: Setting, step: str, inputs: Mapping[str, Any], make: Callable[[], Built]) -> Built:
    def to_files() -> dict[str, bytes]:
        built = make()
        facts = {"precision": built.precision, "layout": built.layout}
        parts = {f"model{suffix}": content for suffix, content in built.parts.items()}
        return {"built.json": json.dumps(facts).encode(), **parts}

    kept = dict(setting.work.files(step, inputs, to_files))
    facts = json.loads(kept.pop("built.json"))
    return Built({Path(name).suffix: content for name, content in kept.items()}, **facts)


def _answers(engine: str, built: Built, setting: Setting) -> dict[str, bytes]:
    """Answers to the public split and, after it, to each domain that is not that split itself."""
    given = [
        accuracy.answers(setting.bundle, engine, built, faces, setting.threads)
        for faces in (setting.public, *(domain.faces for domain in setting.board[1:]))
    ]
    board = np.concatenate(given[1:]) if given[1:] else np.zeros((0, given[0].shape[1]))
    return {"public.npy": _npy(given[0]), "board.npy": _npy(board)}


def _all(candidate: Candidate) -> Answers:
    """Its answers to every domain of the board, of which the public split is the first."""
    return np.concatenate([candidate.public, candidate.board])


def _npy(array: Answers) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
