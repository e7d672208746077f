"""A benchmark's record for programs (JSON, CSV) and for eyes (a table of 80 columns)."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.files import read_record
from measure.bench import KIND, SCHEMA

WIDTH = 80
UNITS = {"end-to-end": "frame"}
FIGURES = ("median_ms", "p90_ms", "p95_ms", "p99_ms")
VOID = "VOID"


def dumps(record: Any) -> str:
    """JSON with one line for each list of plain values: a thousand times are not a thousand lines."""
    return _indented(record, "") + "\n"


def _indented(value: Any, space: str) -> str:
    inner = space + "  "
    if isinstance(value, dict) and value:
        rows = [f"{inner}{json.dumps(str(key))}: {_indented(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{space}}}"
    if isinstance(value, list) and any(isinstance(each, (dict, list)) for each in value):
        rows = [inner + _indented(each, inner) for each in value]
        return "[\n" + ",\n".join(rows) + f"\n{space}]"
    return json.dumps(value, ensure_ascii=False)


def read(path: str | Path) -> dict[str, Any]:
    """A record that ``bench`` wrote. Raises DataInvalid."""
    return read_record(Path(path), KIND, SCHEMA, "ferlite-quantize bench")


COLUMNS = ("engine", "precision", "scenario", "stage", *FIGURES, "rate_per_second", "cpu_ms", "verdict")


def as_csv(record: dict[str, Any]) -> str:
    """A row per engine and scenario, and per stage of the end-to-end one; times in milliseconds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("bundle", "digest", "board", "cpu", *COLUMNS))
    same = [record["bundle"]["name"], record["bundle"]["digest"], record["machine"]["board"]]
    for row in _rows(record):
        writer.writerow([*same, record["machine"]["cpu"], *row])
    return text.getvalue()


def _rows(record: dict[str, Any]) -> Iterator[list[Any]]:
    void = VOID if record["verdict"]["voided"] else ""
    for engine, each in record["engines"].items():
        for name, one in each["scenarios"].items():
            times = [one[figure] for figure in FIGURES]
            verdict = void or ("unstable" if one["unstable"] else "")
            yield [engine, each["precision"], name, "", *times, rate(one), cpu_ms(one), verdict]
            for stage, part in one.get("stages", {}).items():
                times = [part[figure] for figure in FIGURES]
                yield [engine, each["precision"], name, stage, *times, "", "", verdict]


def rate(scenario: dict[str, Any]) -> float:
    """Faces or frames a second."""
    return float(scenario.get("faces_per_second", scenario.get("frames_per_second", 0.0)))


def cpu_ms(scenario: dict[str, Any]) -> float:
    """Milliseconds of all cores together, for one face or frame."""
    return float(scenario.get("cpu_ms_per_face", scenario.get("cpu_ms_per_frame", 0.0)))


def table(record: dict[str, Any]) -> str:
    """The record for a terminal of 80 columns."""
    lines = _head(record)
    for engine, each in record["engines"].items():
        lines += ["", f"{engine}  {each['version']}, {each['precision']}, {each['model_bytes'] / 1e6:.2f} MB"]
        lines.append(f"  {'':<14}{'median':>9}{'p90':>9}{'p95':>9}{'p99':>9}{'per second':>14}{'CPU-ms':>9}")
        for name, one in each["scenarios"].items():
            lines.append(_scenario(name, one))
        if "end-to-end" in each["scenarios"]:
            lines += _stages(each["scenarios"]["end-to-end"], each["chosen"]["detector"])
        lines += _wrapped(f"  start   {start_text(each['start'])}")
        lines += _wrapped(f"  power   {power_text(each['power'])}")
    for engine, why in record["skipped"].items():
        lines += ["", *_wrapped(f"{engine} was not measured: {why}")]
    return "\n".join([*lines, "", *verdict_lines(record)])


def _head(record: dict[str, Any]) -> list[str]:
    machine, settings = record["machine"], record["settings"]
    lines = _wrapped(
        f"{record['bundle']['name']} ({record['bundle']['digest'][:12]}), {machine_text(machine)}"
    )
    lines += _wrapped(f"{settings_text(settings)}; {moment_text('before', record['before'])}; "
                      f"{moment_text('after', record['after'])}")  # fmt: skip
    return lines


def machine_text(machine: dict[str, Any]) -> str:
    """Board, CPU and system in one line."""
    cpu = machine["cpu"] or machine["core"] or "unknown CPU"
    int8 = f" with {', '.join(machine['int8'])}" if machine["int8"] else ""
    board = machine["model"] or machine["board"] or "unknown board"
    return (
        f"{board}: {cpu}{int8}, {machine['usable_cores']} of {machine['cores']} cores, "
        f"governor {machine['governor'] or 'unknown'}, {machine['system'] or 'unknown system'}"
    )


def settings_text(settings: dict[str, Any]) -> str:
    """Threads and source."""
    count = settings["threads"]
    threads = f"{count} thread{'' if count == 1 else 's'}" if count else "as many threads as the engine likes"
    return f"{threads}, source {settings['source'] or 'none (no end-to-end run)'}"


def moment_text(when: str, moment: dict[str, Any]) -> str:
    """Temperature, clock and load at a moment, as far as they are known."""
    parts = [f"load {moment['load']:.2f}"]
    if moment["temperature_c"] is not None:
        parts.append(f"{moment['temperature_c']:.1f} °C")
    if moment["clock_mhz"] is not None:
        parts.append(f"{moment['clock_mhz']:.0f} MHz")
    return f"{when}: {', '.join(parts)}"


def _scenario(name: str, one: dict[str, Any]) -> str:
    times = "".join(f"{one[figure]:9.2f}" for figure in FIGURES)
    unit = UNITS.get(name, "face") + "s"
    mark = "  !" if one["unstable"] else ""
    return f"  {name:<14}{times}{rate(one):7.0f} {unit:<6}{cpu_ms(one):9.2f}{mark}"


def _stages(one: dict[str, Any], detector: str) -> list[str]:
    names = list(one["stages"])
    overhead = "runs in no engine"
    if one["overhead"] is not None:
        overhead = f"{one['overhead']:.0%} around the engines' own time"
    parts = one["stages"]
    middle = "".join(f"{part['mean_ms']:9.2f}" for part in parts.values())
    slow = "".join(f"{part['p95_ms']:9.2f}" for part in parts.values())
    return [
        f"  stages{''.join(f'{name:>9}' for name in names)}",
        f"  mean  {middle}",
        f"  p95   {slow}",
        *_wrapped(
            f"  frames  {one['frames']} of {one['frame_px'][0]} x {one['frame_px'][1]}, "
            f"{one['faces_per_frame']:.2f} faces each, {one['searches']} searched by {detector}; {overhead}"
        ),
    ]


def start_text(start: dict[str, Any]) -> str:
    """Cold start and memory."""
    steady, peak = start["rss_steady_mib"], start["rss_peak_mib"]
    memory = "memory unknown" if steady is None else f"{steady:.0f} MiB steady, {peak:.0f} MiB peak"
    return f"{start['first_reading_s']:.2f} s to the first reading ({start['what']}); {memory}"


def power_text(power: dict[str, Any]) -> str:
    """Watts and joules, or why there are none."""
    if not power["measured"]:
        return str(power["why"])
    unit = power["unit"]
    return (
        f"{power['idle_w']:.2f} W idle, {power['running_w']:.2f} W running, {power['joules_each']:.4f} J per "
        f"{unit}, {power['per_second_per_watt'] or 0:.1f} {unit}s/s per W, by {power['sensor']} at "
        f"{power['samples_per_second']:.1f} values/s: {power['covers']}; left out: {power['leaves_out']}"
    )


def verdict_lines(record: dict[str, Any]) -> list[str]:
    """What to think of the figures."""
    verdict = record["verdict"]
    lines = []
    for reason in verdict["voided"]:
        lines += _wrapped(f"VOID: {reason}")
    for what, reasons in verdict["unstable"].items():
        lines += _wrapped(f"! {what} may be unstable: {'; '.join(reasons)}")
    if not lines:
        lines.append("stable by pyperf's rules")
    if not verdict["throttling_known"]:
        lines.append("this machine does not tell whether it throttled")
    return lines


def _wrapped(text: str) -> list[str]:
    lead = text[: len(text) - len(text.lstrip())] + "  "
    return textwrap.wrap(text, WIDTH, subsequent_indent=lead, drop_whitespace=True, break_on_hyphens=False)
