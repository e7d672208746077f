"""``bench`` as a library call: a bundle's speed on the machine at hand, as one record.

Every engine is measured in a process of its own, so that none pays for another's memory or threads.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge import bundle as bundles
from edge import engine as engines
from edge.bundle import Bundle
from edge.errors import EngineError, ToolchainError, UsageError
from edge.source import open_source
from measure import cold_start, machine, power
from measure.request import Order, to_text
from measure.stats import rounded

SCHEMA = 1
KIND = "ferlite bench"


def measure(order: Order, command: str = "") -> dict[str, Any]:
    """Measure, and return the record (docs/how-we-measure.md describes it). Raises FerliteError."""
    loaded = bundles.load(order.bundle)
    names, skipped = choose(order, loaded)
    if order.source:
        open_source(order.source).close()  # a wrong one is said now, not after minutes
    sensor = power.choose(order.power)
    measured = {}
    moments = [machine.moment()]
    for name in names:
        single = dataclasses.replace(order, engines=(name,))
        result = in_own_process("measure.scenarios", to_text(single))
        moments += [*result.pop("watched"), machine.moment()]
        entry = loaded.files[name]
        measured[name] = {
            "version": machine.engine_version(name),
            "precision": entry.precision,
            "model_bytes": sum(map(len, loaded.model(name).parts.values())),
            **result,
            "start": cold_start.starts(single),
            "power": power.measure(single, sensor),
        }
    moments.append(machine.moment())
    record = {
        "schema": SCHEMA,
        "kind": KIND,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine.machine(),
        "before": moments[0],
        "after": moments[-1],
        "moments": moments,
        "bundle": {
            "name": loaded.name,
            "digest": machine.bundle_digest(loaded),
            "input": dataclasses.asdict(loaded.input),
        },
        "settings": settings(order),
        "engines": measured,
        "skipped": skipped,
        "verdict": verdict(measured, moments),
    }
    return dict(rounded(record))


def choose(order: Order, loaded: Bundle) -> tuple[list[str], dict[str, str]]:
    """The engines to measure, and why others of the bundle are not. Raises EngineError."""
    if order.engines == ("auto",):
        choice = engines.choose("auto", loaded.files)
        return [choice.name], dict(choice.skipped)
    if order.engines != ("all",):
        if {"all", "auto"} & set(order.engines):
            raise UsageError("--engine takes all, auto, or names with commas between them")
        return [engines.choose(name, loaded.files).name for name in order.engines], {}
    names, skipped = [], {}
    for name in loaded.files:
        try:
            names.append(engines.choose(name, loaded.files).name)
        except EngineError as error:
            skipped[name] = str(error)
    if not names:
        raise ToolchainError(
            f"no engine of bundle '{loaded.name}' can run here: {'; '.join(skipped.values())}"
        )
    return names, skipped


def in_own_process(module: str, text: str) -> dict[str, Any]:
    """What ``python -m module`` prints as JSON, given ``text``. Raises ToolchainError with its reason."""
    place = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=text,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": place},
        check=False,
    )
    if done.returncode:
        raise ToolchainError(f"the measuring process died with exit code {done.returncode}")
    result: dict[str, Any] = json.loads(done.stdout)
    if "error" in result:
        raise ToolchainError(result["error"])
    return result


def settings(order: Order) -> dict[str, Any]:
    """What the figures depend on besides bundle and machine; files by name and digest, not by place."""
    kept = dataclasses.asdict(order)
    for name in ("bundle", "engines", "source", "detector_model", "power"):
        kept.pop(name)
    model = order.detector_model
    return {
        **kept,
        "source": Path(order.source).name if order.source else None,
        "source_digest": machine.source_digest(order.source) if order.source else None,
        "detector_model": Path(model).name if model else None,
        "detector_model_digest": machine.source_digest(model) if model else None,
    }


def verdict(measured: Mapping[str, Any], moments: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether the figures may be used: why the run is void, what is unstable, what could not be seen."""
    shaky = {
        f"{engine} {name}": scenario["unstable"]
        for engine, each in measured.items()
        for name, scenario in each["scenarios"].items()
        if scenario["unstable"]
    }
    return {
        "voided": machine.voided(moments),
        "unstable": shaky,
        "throttling_known": machine.throttling_known(moments),
    }
