"""A benchmark's record as one HTML page that needs nothing else: tables, and plots as inline SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from measure import output
from measure.stats import percentile

WIDE, HIGH, LEFT, RIGHT, TOP, BASE = 640, 280, 56, 16, 26, 238
COLOURS = ("#1f6fb2", "#c2571a", "#2e8b57", "#7a4fa3")
STAGE_COLOURS = ("#9aa5b1", "#1f6fb2", "#12406b", "#63a3d8", "#c2571a", "#2e8b57", "#7a4fa3", "#d2a23c")
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#222;
background:#fff}table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.5rem 0}
td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child,
td:last-child,th:last-child{text-align:left}svg{max-width:100%;height:auto}
svg text{font:12px system-ui,sans-serif;fill:#222}.fine{color:#555}.bad{color:#a3200d;font-weight:600}
figure{display:inline-block;margin:0 1rem 1rem 0;vertical-align:top}figcaption{font-weight:600}
"""
HEADINGS = ("engine", "scenario", "median ms", "p90", "p95", "p99", "per second", "CPU-ms", "verdict")


def page(record: dict[str, Any]) -> str:
    """The page for one record."""
    name = escape(record["bundle"]["name"])
    blocks = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}: bench</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{STYLE}</style><h1>{name}</h1>",
        _facts(record),
        _verdict(record),
        _table(record),
        "<h2>Latency</h2><p class=fine>How many of all queries took at most so long. The scale ends at the "
        "slowest engine's 99th percentile.</p>",
        *(_figure(name, distribution(record, name)) for name in _scenarios(record)),
        *_end_to_end(record),
        "<h2>Over the run</h2><p class=fine>Every query in order: a board that grows hot climbs here.</p>",
        *(_figure(name, trace(record, name)) for name in _scenarios(record)),
        *_starts_and_power(record),
        "</html>\n",
    ]
    return "\n".join(blocks)


def _facts(record: dict[str, Any]) -> str:
    lines = (
        record["command"],
        f"{record['date']}, bundle {record['bundle']['digest'][:12]}",
        output.machine_text(record["machine"]),
        output.settings_text(record["settings"]),
        f"{output.moment_text('before', record['before'])}; {output.moment_text('after', record['after'])}",
    )
    return f"<p class=fine>{'<br>'.join(escape(line) for line in lines)}</p>"


def _verdict(record: dict[str, Any]) -> str:
    verdict = record["verdict"]
    found = [f"<li class=bad>VOID: {escape(reason)}" for reason in verdict["voided"]]
    for what, reasons in verdict["unstable"].items():
        found.append(f"<li>{escape(what)} may be unstable: {escape('; '.join(reasons))}")
    if not verdict["throttling_known"]:
        found.append("<li>this machine does not tell whether it throttled")
    found += [
        f"<li>{escape(engine)} was not measured: {escape(why)}" for engine, why in record["skipped"].items()
    ]
    return f"<ul>{''.join(found)}</ul>" if found else "<p>Stable by pyperf's rules.</p>"


def _table(record: dict[str, Any]) -> str:
    rows = []
    for engine, each in record["engines"].items():
        for name, one in each["scenarios"].items():
            times = [f"{one[figure]:.3f}" for figure in output.FIGURES]
            verdict = "unstable" if one["unstable"] else "stable"
            cells = [f"{engine} ({each['version']}, {each['precision']})", name, *times]
            cells += [f"{output.rate(one):.1f}", f"{output.cpu_ms(one):.3f}", verdict]
            rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells))
    head = "".join(f"<th>{cell}</th>" for cell in HEADINGS)
    return f"<table><thead><tr>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def _scenarios(record: dict[str, Any]) -> list[str]:
    names = (name for each in record["engines"].values() for name in each["scenarios"])
    return list(dict.fromkeys(names))


def _series(record: dict[str, Any], name: str) -> Iterator[tuple[str, list[float], str]]:
    for index, (engine, each) in enumerate(record["engines"].items()):
        if name in each["scenarios"]:
            yield engine, each["scenarios"][name]["raw_ms"], COLOURS[index % len(COLOURS)]


def distribution(record: dict[str, Any], name: str) -> str:
    """Cumulative share of queries over their time, a line for each engine."""
    series = list(_series(record, name))
    most = max(percentile(times, 0.99) for _, times, _ in series)
    marks = [_axes(0, most, "ms", 0, 100, "% of queries")]
    for row, (engine, times, colour) in enumerate(series):
        ranked = sorted(times)
        steps = _thin([(each, (k + 1) / len(ranked)) for k, each in enumerate(ranked) if each <= most])
        marks.append(_line([(_x(each, 0, most), _y(share, 0, 1)) for each, share in steps], colour))
        middle = percentile(times, 0.5)
        label = f"{engine}: median {middle:.3g} ms, p90 {percentile(times, 0.9):.3g} ms"
        marks.append(_label(WIDE - RIGHT, BASE - 10 - 16 * row, label, colour, "end"))
    return _svg(marks, f"{name}: distribution of times")


def trace(record: dict[str, Any], name: str) -> str:
    """Time of each query in the order they ran."""
    series = list(_series(record, name))
    most = 1.15 * max(percentile(times, 0.99) for _, times, _ in series)
    longest = max(len(times) for _, times, _ in series)
    marks = [_axes(1, longest, "query", 0, most, "ms")]
    for row, (engine, times, colour) in enumerate(series):
        points = _thin(list(enumerate(times, 1)))
        for number, each in points:
            y = max(TOP, _y(each, 0, most))
            marks.append(f'<circle cx="{_x(number, 1, longest):.1f}" cy="{y:.1f}" r="1.6" fill="{colour}"/>')
        marks.append(_label(WIDE - RIGHT, TOP + 12 + 16 * row, engine, colour, "end"))
    return _svg(marks, f"{name}: times in order")


def _end_to_end(record: dict[str, Any]) -> list[str]:
    runs = {
        engine: each["scenarios"]["end-to-end"]
        for engine, each in record["engines"].items()
        if "end-to-end" in each["scenarios"]
    }
    if not runs:
        return ["<p>End to end was not measured: no source was given.</p>"]
    return [
        "<h2>Where a frame's time goes</h2><p class=fine>Means over all frames, ms.</p>",
        _figure("stages", stages(runs)),
        _stage_table(runs),
    ]


def stages(runs: dict[str, dict[str, Any]]) -> str:
    """A bar for each engine, a segment for each stage."""
    most = max(sum(part["mean_ms"] for part in one["stages"].values()) for one in runs.values())
    tall = min(40.0, (BASE - TOP - 40) / len(runs) - 8)
    marks = [_axes(0, most, "ms", 0, 1, "", ticks=False)]
    for row, (engine, one) in enumerate(runs.items()):
        y, at = TOP + 34 + row * (tall + 18), 0.0
        marks.append(_label(LEFT + 4, y - 4, engine, "#222", "start"))
        for index, (stage, part) in enumerate(one["stages"].items()):
            x, wide = _x(at, 0, most), _x(part["mean_ms"], 0, most) - LEFT
            title = f"<title>{escape(stage)}: {part['mean_ms']:.3f} ms</title>"
            colour = STAGE_COLOURS[index % len(STAGE_COLOURS)]
            marks.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
                f'fill="{colour}">{title}</rect>'
            )
            at += part["mean_ms"]
    names = list(next(iter(runs.values()))["stages"])
    for index, stage in enumerate(names):
        marks.append(_label(LEFT + 4 + 71 * index, TOP - 8, f"■ {stage}",
                            STAGE_COLOURS[index % len(STAGE_COLOURS)], "start"))  # fmt: skip
    return _svg(marks, "stages of a frame")


def _stage_table(runs: dict[str, dict[str, Any]]) -> str:
    names = list(next(iter(runs.values()))["stages"])
    head = "".join(f"<th>{cell}</th>" for cell in ("engine", *names, "around the engines"))
    rows = []
    for engine, one in runs.items():
        cells = [f"{one['stages'][name]['mean_ms']:.3f}" for name in names]
        cells.append("unknown" if one["overhead"] is None else f"{one['overhead']:+.0%}")
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in (engine, *cells)))
    return f"<table><thead><tr>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def _starts_and_power(record: dict[str, Any]) -> list[str]:
    blocks = ["<h2>Start, memory and power</h2>"]
    for engine, each in record["engines"].items():
        start, power = output.start_text(each["start"]), output.power_text(each["power"])
        blocks.append(f"<p><b>{escape(engine)}</b>: {escape(start)}.<br>Power: {escape(power)}.</p>")
        if each["power"]["measured"]:
            blocks.append(_figure(f"{engine}: watts", watts(each["power"])))
    return blocks


def watts(power: dict[str, Any]) -> str:
    """Sensor values while idle, then while running."""
    idle, running = power["raw_idle_w"], power["raw_running_w"]
    both = [*idle, *running]
    most = 1.15 * max(*both, 1e-9)
    marks = [_axes(1, len(both), "value", 0, most, "W")]
    for values, start, colour, name in (
        (idle, 1, COLOURS[0], "idle"),
        (running, len(idle) + 1, COLOURS[1], "running"),
    ):
        points = [(_x(start + k, 1, len(both)), _y(value, 0, most)) for k, value in enumerate(values)]
        marks.append(_line(points, colour))
        marks.append(_label(points[0][0] + 4, TOP + 12, name, colour, "start"))
    return _svg(marks, "watts, idle and running")


def _figure(name: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(name)}</figcaption>{svg}</figure>"


def _thin(points: Sequence[tuple[float, float]], most: int = 1500) -> Sequence[tuple[float, float]]:
    """Every n-th point: a plot of 600 pixels shows no more."""
    return points[:: max(1, len(points) // most)]


def _x(value: float, low: float, high: float) -> float:
    return LEFT + (WIDE - LEFT - RIGHT) * (value - low) / max(high - low, 1e-12)


def _y(value: float, low: float, high: float) -> float:
    return BASE - (BASE - TOP) * (value - low) / max(high - low, 1e-12)


def _axes(
    low: float, high: float, below: str, bottom: float, top: float, beside: str, ticks: bool = True
) -> str:  # fmt: skip
    marks = [f'<path d="M{LEFT} {TOP}V{BASE}H{WIDE - RIGHT}" fill="none" stroke="#888"/>']
    for part in range(5):
        across, up = low + (high - low) * part / 4, bottom + (top - bottom) * part / 4
        anchor = "end" if part == 4 else "middle"
        unit = f" {below}" if part == 4 else ""
        marks.append(_label(_x(across, low, high), BASE + 18, f"{across:.3g}{unit}", "#555", anchor))
        if ticks:
            marks.append(_label(LEFT - 6, _y(up, bottom, top) + 4, f"{up:.3g}", "#555", "end"))
    marks.append(_label(LEFT - 6, TOP - 10, beside, "#555", "start"))
    return "".join(marks)


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _label(x: float, y: float, text: str, colour: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="fill:{colour}">{escape(text)}</text>'


def _svg(marks: Sequence[str], what: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDE} {HIGH}" width="{WIDE * 6 // 7}" height="{HIGH * 6 // 7}" role="img" '
        f'aria-label="{escape(what)}">{"".join(marks)}</svg>'
    )
