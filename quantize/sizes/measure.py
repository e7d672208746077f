"""Accuracy per millisecond by input size: each network at several sizes, float and int8, timed in turns.

A convolutional network takes any input size. What it was trained at is one point; whether a smaller one would
do is what the curve tells. Where a network was trained at one size, other sizes show it faces larger or
smaller than those it learnt from, so a network trained at the smaller size may do better than its point here.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge import engine as engines
from edge.bundle import Bundle
from edge.bundle_files.sections import CropRule, DoubtRule, InputSpec
from edge.engine import Engine, EngineOptions, ModelFile
from edge.errors import UsageError
from faces.face_set import FaceSet
from measure import machine, race
from quantize import accuracy
from quantize.builder import Built, Float, builder
from quantize.network.export import export
from quantize.network.load import load_source
from quantize.network.source import Source
from quantize.prepare import calibrate
from quantize.prepare.steps import prepare
from quantize.recipe import Recipe

SCHEMA = 1
SIZES = (48, 64, 80, 96, 112)
ROUNDS, RUNS, WARM_UPS = 30, 10, 20


@dataclass(frozen=True)
class Order:
    """What to compare. ``faces`` of the public split are answered, all where it is 0 or has no more;
    ``threads`` while timing is 1.
    """

    runs: Sequence[Path]
    data: Path
    sizes: Sequence[int]
    recipe: Recipe
    faces: int = 0
    rounds: int = ROUNDS
    command: str = ""


@dataclass(frozen=True)
class Entry:
    """One network at one size, as built for the engine; accuracies 0-1 on the public split."""

    network: str
    weights_sha256: str
    trained_at: int
    size: int
    bytes: int
    agreement: float
    accuracy: dict[str, float]
    built: dict[str, Built]
    input: InputSpec


def measure(order: Order) -> dict[str, Any]:
    """The record, JSON-ready. Raises ToolchainError, EngineError and UsageError."""
    began = time.monotonic()
    for size in order.sizes:
        if not 16 <= size <= 512:
            raise UsageError(f"--sizes: {size} is not 16 to 512 pixels")
    if order.recipe.qat or order.recipe.mixed:
        raise UsageError(f"recipe '{order.recipe.name}' trains or scans: give one that only calibrates")
    splits = calibrate.load_splits(order.data)
    there = len(splits.public)
    answered = min(order.faces or there, there)
    entries = []
    for run in order.runs:
        source = load_source(run)
        source.refuse_told("the table of sizes", "leave it out")
        ours = source.relabel(splits)
        public = ours.public.take(np.arange(answered))
        chosen = calibrate.choose(ours.train, order.recipe.calibration, len(source.labels))
        entries += [_entry(source, size, order.recipe, chosen, public) for size in order.sizes]
    timed = _race(order.recipe.engine, entries, order.rounds)
    rows = [_row(entry, timed, index) for index, entry in enumerate(entries)]
    return {
        "schema": SCHEMA,
        "kind": "ferlite-sizes",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "command": order.command,
        "seconds": round(time.monotonic() - began, 1),
        "machine": dataclasses.asdict(machine.here()),
        "engine": order.recipe.engine,
        "library": engines.engine_class(order.recipe.engine).version(),
        "recipe": {"name": order.recipe.name, "sha256": order.recipe.sha256},
        "data": {"split": splits.public.name, "faces": answered},
        "threads": 1,
        "clock": "processor time of the process",
        "reference": f"{entries[0].network}, {entries[0].size} px, float",
        "rows": rows,
    }


def _entry(source: Source, size: int, recipe: Recipe, chosen: Any, public: FaceSet) -> Entry:
    trained_at = source.input.size
    source = dataclasses.replace(source, input=dataclasses.replace(source.input, size=size))
    make = builder(recipe.engine)
    network = Float(source.name, export(source.in_torch()), source.input)
    plain = make.plain(network)
    prepared = prepare(network, recipe, chosen, corrects_bias=make.corrects_bias)
    base = plain if prepared is network else make.plain(prepared)
    built = {"float": plain, "int8": make.quantize(prepared, base, recipe, chosen)}
    bundle = Bundle(
        path=Path(),
        name=source.name,
        description="",
        labels=source.labels,
        input=source.input,
        crop=CropRule(((0.0, 0.0),) * 5, 1.0, (0.0, 0.0)),
        temperature=1.0,
        doubt=DoubtRule(),
        files={},
    )
    given = {kind: accuracy.answers(bundle, recipe.engine, each, public, 1) for kind, each in built.items()}
    scores = {kind: accuracy.score(each, public).accuracy for kind, each in given.items()}
    agreement = float((given["float"].argmax(1) == given["int8"].argmax(1)).mean())
    return Entry(
        source.name,
        source.weights_sha256,
        trained_at,
        size,
        built["int8"].size,
        agreement,
        scores,
        built,
        source.input,
    )


Times = dict[tuple[int, str], Any]


def _race(engine: str, entries: Sequence[Entry], rounds: int) -> Times:
    """Seconds float64 [rounds, runs] of each (entry, kind), all of them in turns, batch 1, 1 thread.

    They are processor time: waiting for a core on a busy machine counts for nothing.
    """
    loaded: dict[tuple[int, str], tuple[Engine, Any]] = {}
    times: Times = {}
    try:
        for index, entry in enumerate(entries):
            for kind, built in entry.built.items():
                model = ModelFile(f"{entry.network} {entry.size} {kind}", built.parts)
                running = engines.load(engine, model, EngineOptions(threads=1))
                loaded[index, kind] = (running, race.face_input(running, built, entry.input))
                race.time_runs(*loaded[index, kind], WARM_UPS)
        taken: dict[tuple[int, str], list[list[float]]] = {key: [] for key in loaded}
        for _ in range(rounds):
            for key, pair in loaded.items():
                # The first run after another model finds that model's weights in the caches.
                taken[key].append(race.time_runs(*pair, RUNS + 1, time.process_time)[1:])
        times = {key: np.array(each) for key, each in taken.items()}
    finally:
        for running, _ in loaded.values():
            running.close()
    return times


def _row(entry: Entry, timed: Times, index: int) -> dict[str, Any]:
    """Milliseconds are the tenth percentile; ratios are of the rounds' fastest runs, their median."""
    first = timed[0, "float"].min(1)
    row: dict[str, Any] = {
        "network": entry.network,
        "weights_sha256": entry.weights_sha256,
        "trained_at": entry.trained_at,
        "size": entry.size,
        "int8_bytes": entry.bytes,
        "agreement": round(entry.agreement, 5),
    }
    for kind in entry.built:
        took = timed[index, kind]
        low, high = np.percentile(took.min(1) / first, [25, 75])
        row[kind] = {
            "accuracy": round(entry.accuracy[kind], 5),
            "ms": round(float(np.percentile(took, 10)) * 1e3, 4),
            "median_ms": round(float(np.median(took)) * 1e3, 4),
            "of_reference": round(float(np.median(took.min(1) / first)), 4),
            "of_reference_middle_half": [round(float(low), 4), round(float(high), 4)],
        }
    row["ratio"] = round(float(np.median(timed[index, "int8"].min(1) / timed[index, "float"].min(1))), 4)
    return row
