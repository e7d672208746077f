"""A benchmark's record for programs (JSON, CSV) and for eyes (a table of 80 columns)."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Iterator
from typing import Any

from measure.machine import Machine, Moment
from measure.record import Frames, Power, Record, Settings, Starts, Timed, as_table

WIDTH = 80
FIGURES = ("median_ms", "p90_ms", "p95_ms", "p99_ms")
VOID = "VOID"
COLUMNS = ("engine", "precision", "scenario", "stage", *FIGURES, "rate_per_second", "cpu_ms", "verdict")


def as_json(record: Record) -> str:
    """JSON with one line for each list of plain values: a thousand times are not a thousand lines."""
    return _indented(as_table(record), "") + "\n"


def _indented(value: Any, space: str) -> str:
    inner = space + "  "
    if isinstance(value, dict) and value:
        rows = [f"{inner}{json.dumps(str(key))}: {_indented(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{space}}}"
    if isinstance(value, list) and any(isinstance(each, (dict, list)) for each in value):
        rows = [inner + _indented(each, inner) for each in value]
        return "[\n" + ",\n".join(rows) + f"\n{space}]"
    return json.dumps(value, ensure_ascii=False)


def as_csv(record: Record) -> str:
    """A row per engine and scenario, and per stage of the end-to-end one; times in milliseconds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("bundle", "digest", "board", "cpu", *COLUMNS))
    same = [record.bundle.name, record.bundle.digest, record.machine.board, record.machine.cpu]
    for row in _rows(record):
        writer.writerow([*same, *row])
    return text.getvalue()


def _rows(record: Record) -> Iterator[list[Any]]:
    void = VOID if record.verdict.voided else ""
    for engine, each in record.engines.items():
        for name, one in each.scenarios.items():
            verdict = void or ("unstable" if one.unstable else "")
            yield [engine, each.precision, name, "", *_four(one), one.rate, one.cpu_ms, verdict]
        for stage, part in (each.frames.stages if each.frames else {}).items():
            yield [engine, each.precision, "end-to-end", stage, *_four(part), "", "", verdict]


def _four(figures: Any) -> list[float]:
    return [round(getattr(figures, figure), 4) for figure in FIGURES]


def table(record: Record) -> str:
    """The record for a terminal of 80 columns."""
    lines = _head(record)
    for engine, each in record.engines.items():
        lines += ["", f"{engine}  {each.version}, {each.precision}, {each.model_bytes / 1e6:.2f} MB"]
        lines.append(f"  {'':<14}{'median':>9}{'p90':>9}{'p95':>9}{'p99':>9}{'per second':>14}{'CPU-ms':>9}")
        lines += [_scenario(name, one) for name, one in each.scenarios.items()]
        if each.frames and each.chosen:
            lines += _stages(each.frames, each.chosen.detector)
        lines += _wrapped(f"  start   {start_text(each.start)}")
        lines += _wrapped(f"  power   {power_text(each.power) if each.power else each.no_power}")
    for engine, why in record.skipped.items():
        lines += ["", *_wrapped(f"{engine} was not measured: {why}")]
    return "\n".join([*lines, "", *verdict_lines(record)])


def _head(record: Record) -> list[str]:
    before, after = record.moments[0], record.moments[-1]
    lines = _wrapped(f"{record.bundle.name} ({record.bundle.digest[:12]}), {machine_text(record.machine)}")
    times = f"{moment_text('before', before)}; {moment_text('after', after)}"
    return lines + _wrapped(f"{settings_text(record.settings)}; {times}")


def machine_text(machine: Machine) -> str:
    """Board, CPU and system in one line."""
    cpu = machine.cpu or machine.core or "unknown CPU"
    int8 = f" with {', '.join(machine.int8)}" if machine.int8 else ""
    return (
        f"{machine.model or machine.board or 'unknown board'}: {cpu}{int8}, {machine.usable_cores} of "
        f"{machine.cores} cores, governor {machine.governor or 'unknown'}, "
        f"{machine.system or 'unknown system'}"
    )


def settings_text(settings: Settings) -> str:
    """Threads and source."""
    count = settings.threads
    threads = f"{count} thread{'' if count == 1 else 's'}" if count else "as many threads as the engine likes"
    return f"{threads}, source {settings.source or 'none (no end-to-end run)'}"


def moment_text(when: str, moment: Moment) -> str:
    """Temperature, clock and load at a moment, as far as they are known."""
    parts = [f"load {moment.load:.2f}"] if moment.load is not None else []
    parts += [f"{moment.temperature_c:.1f} °C"] if moment.temperature_c is not None else []
    parts += [f"{moment.clock_mhz:.0f} MHz"] if moment.clock_mhz is not None else []
    return f"{when}: {', '.join(parts)}"


def _scenario(name: str, one: Timed) -> str:
    times = "".join(f"{getattr(one, figure):9.2f}" for figure in FIGURES)
    mark = "  !" if one.unstable else ""
    return f"  {name:<14}{times}{one.rate:7.0f} {one.unit + 's':<6}{one.cpu_ms:9.2f}{mark}"


def _stages(one: Frames, detector: str) -> list[str]:
    overhead = "runs in no engine"
    if one.overhead is not None:
        overhead = f"{one.overhead:.0%} around the engines' own time"
    wide = min(9, (WIDTH - 8) // len(one.stages))
    return [
        f"  stages{''.join(f'{name:>{wide}}' for name in one.stages)}",
        f"  mean  {''.join(f'{part.mean_ms:{wide}.2f}' for part in one.stages.values())}",
        f"  p95   {''.join(f'{part.p95_ms:{wide}.2f}' for part in one.stages.values())}",
        *_wrapped(
            f"  frames  {one.frames} of {one.frame_px[0]} x {one.frame_px[1]}, "
            f"{one.faces_per_frame:.2f} faces each, {one.searches} searched by {detector}; {overhead}"
        ),
    ]


def start_text(start: Starts) -> str:
    """Cold start and memory."""
    memory = "memory unknown"
    if start.rss_steady_mib is not None and start.rss_peak_mib is not None:
        memory = f"{start.rss_steady_mib:.0f} MiB steady, {start.rss_peak_mib:.0f} MiB peak"
    return f"{start.first_reading_s:.2f} s to the first reading ({start.what}); {memory}"


def power_text(power: Power) -> str:
    """Watts and joules."""
    return (
        f"{power.idle_w:.2f} W idle, {power.running_w:.2f} W running, {power.joules_each:.4f} J per "
        f"{power.unit}, {power.per_second_per_watt or 0:.1f} {power.unit}s/s per W, by {power.sensor} at "
        f"{power.samples_per_second:.1f} values/s: {power.covers}; left out: {power.leaves_out}"
    )


def verdict_lines(record: Record) -> list[str]:
    """What to think of the figures."""
    verdict = record.verdict
    lines = []
    for reason in verdict.voided:
        lines += _wrapped(f"VOID: {reason}")
    for what, reasons in verdict.unstable.items():
        lines += _wrapped(f"! {what} may be unstable: {'; '.join(reasons)}")
    if not lines:
        lines.append("stable by pyperf's rules")
    if not verdict.throttling_known:
        lines.append("this machine does not tell whether it throttled")
    return lines


def _wrapped(text: str) -> list[str]:
    lead = text[: len(text) - len(text.lstrip())] + "  "
    return textwrap.wrap(text, WIDTH, subsequent_indent=lead, drop_whitespace=True, break_on_hyphens=False)
