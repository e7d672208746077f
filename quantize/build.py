"""The main path, start reading here: a training run to a bundle whose int8 was proved.

run folder -> source -> export -> per engine: climb the ladder -> measure -> bundle
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.bundle import Bundle
from edge.bundle_files import writer as bundle_writer
from edge.bundle_files.writer import Model
from edge.errors import BuildFailed, DataInvalid, UsageError
from faces import readers
from faces.domains import Domain, board
from faces.face_set import OWN
from faces.scaling import Fitted, expecting, label_priors, reference
from pages.card import FILE
from quantize.builder import Built, Float, builder
from quantize.ladder import Climb, Setting, climb, sensitivity
from quantize.network.export import Exported, export, from_files, to_files
from quantize.network.load import load_source
from quantize.network.source import Source
from quantize.prepare import calibrate
from quantize.prepare.calibrate import Splits
from quantize.proof import build_record, card, record
from quantize.proof.bundling import Framing
from quantize.proof.calm import calm
from quantize.proof.page import page
from quantize.proof.record import Measured
from quantize.recipe import Ladder
from quantize.workspace import Workspace, alone
from train.digests import digest_of

RECORD, CARD, PAGE = "build.json", FILE, "build.html"


@dataclass(frozen=True)
class Order:
    """What is to be built.

    ``domains``: labelled faces beside FER2013 that int8 is held on, and whose calm ones are the bundle's
    ``calm``. ``command`` is written into the record;
    ``threads`` 0: all cores.
    """

    run: Path
    data: Path
    out: Path
    engines: Sequence[str]
    ladder: Ladder
    framing: Framing
    name: str = ""
    domains: Sequence[Path] = ()
    command: str = ""
    threads: int = 0


@dataclass(frozen=True)
class Outcome:
    """The bundle that was written, the record of how, and whether int8 passed in every engine."""

    bundle: Bundle
    record: dict[str, Any]
    passed: bool


Ahead = Callable[[Order, Setting], None]


def build(order: Order, ahead: Ahead = lambda order, setting: None) -> Outcome:
    """Build, prove and write a bundle; stopped at any point, the same order goes on from there.

    ``ahead`` may make steps of it elsewhere before the climb begins (``quantize.spread``).
    Where no recipe passes the gate the float model is shipped and ``passed`` is False.
    Raises ToolchainError, EngineError and UsageError, having written nothing.
    """
    began = time.monotonic()
    _refuse(order)
    source = load_source(order.run)
    splits = source.relabel(calibrate.load_splits(order.data, source.input.size))
    for engine in order.engines:
        for recipe in order.ladder.engines[engine]:
            if recipe.qat:
                source.refuse_told("training for int8 (qat)", "give a ladder without it, as --ladder short")
            # Known before any work is done: too few faces, or none of a class.
            calibrate.chosen(splits.train, recipe.calibration, len(source.labels))
    with alone(order.out):
        return _built(order, source, splits, began, ahead)


def workplace(order: Order) -> Path:
    """Where the build's finished steps lie until it is done."""
    return order.out.with_name(order.out.name + ".building")


def opened(order: Order) -> Setting:
    """What all rungs of a build share, from its files. Raises ToolchainError."""
    source = load_source(order.run)
    return _setting(order, source, source.relabel(calibrate.load_splits(order.data, source.input.size)))


def _setting(order: Order, source: Source, splits: Splits) -> Setting:
    work = Workspace(
        workplace(order),
        {"weights": source.weights_sha256, "about": source.recipe_sha256, "data": digest_of(order.data)},
    )
    exported = _exported(source, work, order.engines)
    return Setting(
        source,
        Float(source.name, exported, source.input, source.told),
        _start(order, source, splits.public.faces.shape[1]),
        splits.train,
        splits.public,
        work,
        order.threads,
        order.ladder.sensitivity,
        _expected(source, splits),
        _board(order, source, splits),
    )


def _built(order: Order, source: Source, splits: Splits, began: float, ahead: Ahead) -> Outcome:
    setting = _setting(order, source, splits)
    ahead(order, setting)
    climbs = [
        climb(engine, order.ladder.engines[engine], order.ladder.gate, setting) for engine in order.engines
    ]
    start = expecting(
        setting.bundle, climbs[0].plain.public, splits.train, splits.public, evidence=source.evidence
    )
    measured = record.measure(climbs, splits, start, order.threads)
    measured = dataclasses.replace(measured, sensitivity=sensitivity(setting))
    seconds = time.monotonic() - began
    start = _calm(order, setting, start, climbs[0], measured)
    made = _write(order, source, start, splits, measured, (setting.network.exported.error, seconds))
    setting.work.remove()
    return made


def _expected(source: Source, splits: Splits) -> tuple[float, ...]:
    """What a network that learnt evidence must be told before it is held against FER2013's labels."""
    if not source.evidence:
        return ()
    return tuple(math.log(share) for share in label_priors(splits.train)[OWN])


def _board(order: Order, source: Source, splits: Splits) -> tuple[Domain, ...]:
    """The gate's domains: those made of the public split, and each --domain's split to choose by."""
    side = max(splits.public.faces.shape[1], order.framing.crop.size)
    others = [readers.read(path, side, search=False).split("public") for path in order.domains]
    relabelled = [source.relabel(Splits(faces, faces, faces)).public for faces in others]
    return tuple(board(splits.public, order.framing.crop, relabelled))


def _calm(order: Order, setting: Setting, start: Bundle, first: Climb, measured: Measured) -> Bundle:
    """``start`` with how calm faces look to it: the other people's, where a --domain has enough of them."""
    fitted, shipped = measured.fitted[first.engine], first.shipped
    temperature = fitted[reference(fitted)].temperature
    known = calm(start, temperature, shipped.public, setting.board[:1])
    if order.domains:
        others = setting.board[-len(order.domains) :]
        answers = shipped.board[-sum(len(domain.faces) for domain in others) :]
        known = calm(start, temperature, answers, others) or known
    return dataclasses.replace(start, calm=known)


def _refuse(order: Order) -> None:
    bundle_writer.refuse_output(order.out)
    if not order.engines:
        raise UsageError("name at least one engine to build for")
    for engine in order.engines:
        if engine not in order.ladder.engines:
            known = ", ".join(order.ladder.engines)
            raise UsageError(
                f"ladder '{order.ladder.name}' has no recipes for engine '{engine}': it has {known}"
            )


def _exported(source: Source, work: Workspace, engines: Sequence[str]) -> Exported:
    import onnx

    needing = [engine for engine in engines if builder(engine).needs_program]
    inputs: dict[str, Any] = {"onnx": onnx.__version__, "program": bool(needing)}
    if source.graph is None or needing:
        import torch

        inputs["torch"] = torch.__version__
    try:
        return from_files(work.files("export", inputs, lambda: to_files(export(source, bool(needing)))))
    except (BuildFailed, DataInvalid) as error:
        if source.graph is None:
            raise
        raise type(error)(
            f"engine '{needing[0]}' needs a network that torch can hold, and this one it cannot: {error}; "
            "leave that engine out of --engines"
        ) from error


def _start(order: Order, source: Source, side: int) -> Bundle:
    """The bundle before anything is known of its engines: temperature 1, no files.

    A live face is cut at ``side`` pixels, as those have that it is proven on, unless the order says more.
    """
    crop = order.framing.crop
    return Bundle(
        path=order.out,
        name=order.name or source.name,
        description=card.description(source),
        labels=source.labels,
        input=source.input,
        crop=crop if crop.size else dataclasses.replace(crop, size=side),
        temperature=1.0,
        doubt=order.framing.doubt,
        files={},
        extras=source.extras,
    )


def _write(
    order: Order,
    source: Source,
    start: Bundle,
    splits: Splits,
    measured: Measured,
    build_facts: tuple[float, float],
) -> Outcome:
    climbs = measured.climbs
    followed = measured.fitted[climbs[0].engine]
    bundle = dataclasses.replace(
        start,
        # For an engine that has none of its own; each that was built has.
        temperature=followed[reference(followed)].temperature,
        accuracy=record.accuracy_records(measured),
        made_by=record.made_by(order.command, source, order.ladder, climbs),
    )
    models = {each.engine: _model(each.shipped.built, measured.fitted[each.engine]) for each in climbs}
    bundle, content = bundle_writer.compose(bundle, models)
    content[source.recipe_file] = source.recipe_text.encode()
    for each in climbs:
        if each.shipped.recipe:
            content[f"quantize-{each.engine}.toml"] = each.shipped.recipe.text.encode()
    full = record.full(bundle, measured, splits, order.ladder.gate, build_facts)
    content[RECORD] = (json.dumps(full, indent=1, allow_nan=False) + "\n").encode()
    told = build_record.of_table(full, RECORD)
    content[CARD] = card.card(bundle, told, source.recipe_text).encode()
    content[PAGE] = page(told).encode()
    written = bundle_writer.write(order.out, bundle, content)
    return Outcome(written, full, all(each.passed for each in climbs))


def _model(built: Built, fitted: Mapping[str, Fitted]) -> Model:
    return Model(built.parts, built.precision, built.layout, fitted[reference(fitted)].temperature)
