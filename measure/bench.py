"""``ferlite bench`` as a library call: a bundle's speed on the machine at hand, as one record.

Every engine is measured in a process of its own, so that none pays for another's memory or threads. The
source is opened once: all of them are shown the frames that it gave then.
"""

from __future__ import annotations

import dataclasses
import datetime
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from boards.sensor import Sensor
from edge import bundle as bundles
from edge import engine as engines
from edge.bundle import Bundle
from edge.errors import EngineError, ToolchainError, UsageError
from measure import child, cold_start, footage, machine, power, scenarios
from measure.end_to_end import WARM_UPS
from measure.machine import Moment
from measure.record import Measured, Record, Settings, Subject, Verdict, as_table, of_table
from measure.request import Order, to_text


def measure(order: Order, command: str = "") -> Record:
    """Measure, and return the record (docs/how-we-measure.md describes it). Raises FerliteError."""
    loaded = bundles.load(order.bundle)
    names, skipped = choose(order, loaded)
    sensor = power.choose(order.power)
    with tempfile.TemporaryDirectory(prefix="ferlite-bench-") as folder:
        if order.source:
            footage.take(order.source, WARM_UPS + order.frames, Path(folder))
            order = dataclasses.replace(order, footage=folder)
        measured: dict[str, Measured] = {}
        moments = [machine.moment()]
        for name in names:
            single = dataclasses.replace(order, engines=(name,))
            measured[name], watched = _engine(single, loaded, sensor)
            moments += [*watched, machine.moment()]
    record = Record(
        date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        command=command,
        machine=machine.here(),
        moments=(*moments, machine.moment()),
        bundle=Subject(loaded.name, machine.bundle_digest(loaded), loaded.input),
        settings=settings(order),
        engines=measured,
        skipped=skipped,
        verdict=verdict(measured, moments),
    )
    # As it will be read again: what is printed, saved and drawn is then of the same digits.
    return of_table(as_table(record), "this run")


def _engine(order: Order, loaded: Bundle, sensor: Sensor | str) -> tuple[Measured, Sequence[Moment]]:
    """The order's one engine, and looks at the board between its scenarios."""
    name = order.engines[0]
    what = "the measuring process"
    words = child.module("measure.scenarios")
    said = child.run(words, what, given=to_text(order), heard=True, env=child.surroundings())
    outcome = scenarios.outcome(child.answer(said, what))
    start = cold_start.starts(order)
    figures = power.measure(order, sensor)
    measured = Measured(
        version=machine.engine_version(name),
        precision=loaded.files[name].precision,
        model_bytes=sum(map(len, loaded.model(name).parts.values())),
        queries=outcome.queries,
        frames=outcome.frames,
        chosen=outcome.chosen,
        start=start,
        power=None if isinstance(figures, str) else figures,
        no_power=figures if isinstance(figures, str) else "",
    )
    return measured, outcome.watched


def choose(order: Order, loaded: Bundle) -> tuple[list[str], dict[str, str]]:
    """The engines to measure, and why others of the bundle are not. Raises EngineError."""
    if order.engines == ("auto",):
        choice = engines.choose("auto", loaded.files)
        return [choice.name], dict(choice.skipped)
    if order.engines != ("all",):
        if {"all", "auto"} & set(order.engines):
            raise UsageError("--engines takes all, auto, or names with commas between them")
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


def settings(order: Order) -> Settings:
    """What the figures depend on besides bundle and machine; files by name and digest, not by place."""
    kept = {
        entry.name: getattr(order, entry.name)
        for entry in dataclasses.fields(Settings)
        if hasattr(order, entry.name)
    }
    model = order.detector_model
    named = {
        "source": Path(order.source).name if order.source else None,
        "source_digest": machine.source_digest(order.source) if order.source else None,
        "detector_model": Path(model).name if model else None,
        "detector_model_digest": machine.source_digest(model) if model else None,
    }
    return Settings(**(kept | named))


def verdict(measured: Mapping[str, Measured], moments: Sequence[Moment]) -> Verdict:
    """Whether the figures may be used: why the run is void, what is unstable, what could not be seen."""
    shaky = {
        f"{engine} {name}": scenario.unstable
        for engine, each in measured.items()
        for name, scenario in each.scenarios.items()
        if scenario.unstable
    }
    return Verdict(tuple(machine.voided(moments)), shaky, machine.throttling_known(moments))
