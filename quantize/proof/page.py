"""A build's record as one HTML page that needs nothing else: the table, and two plots as inline SVG."""

from __future__ import annotations

from html import escape
from typing import Any

from quantize.proof.table import COLUMNS, rows, ships

WIDE, HIGH, MARGIN = 560, 320, 48
COLOURS = ("#1f6fb2", "#c2571a", "#2e8b57", "#7a4fa3")
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;
color:#222;background:#fff}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.25rem .7rem;text-align:left;
border-bottom:1px solid #ddd}svg{max-width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#222}
.fine{color:#666}
"""


def page(full: dict[str, Any]) -> str:
    """The page for the record ``full`` (build.json)."""
    head = "".join(f"<th>{escape(each)}</th>" for each in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(full)
    )
    machine = full["machine"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(full["name"])}: build</title>'
        f"<style>{STYLE}</style><h1>{escape(full['name'])}</h1>"
        f"<p class=fine>{escape(full['made_by']['command'])}<br>"
        f"{full['date']}, {escape(str(machine['cpu']))}, {machine['cores']} cores, "
        f"load {machine['load']}, {full['seconds']:.0f} s</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in ships(full))}</ul>"
        "<h2>Accuracy on the public split against time</h2>"
        f"<p class=fine>Batch 1, 1 thread. Rings are float, dots are int8.</p>{scatter(points(full))}"
        f"{_sensitivity(full['sensitivity'])}"
        "<h2>F1 per expression on the private split, by FER2013's labels</h2>"
        f"<p class=fine>Pale: float. Full: what ships.</p>{bars(full)}</html>\n"
    )


Point = tuple[str, str, float, float, bool]


def points(full: dict[str, Any]) -> list[Point]:
    """(engine, model, milliseconds, accuracy in per cent, is float) of all that was timed."""
    found: list[Point] = []
    for engine, climb in full["engines"].items():
        base = next(each["plain_unscaled"] for each in climb["figures"] if each["data"] == "fer2013-public")
        timed = [rung for rung in climb["rungs"] if rung["race"]]
        if timed:
            found.append((engine, "float", timed[0]["race"]["float_ms"], 100 * base, True))
        for rung in timed:
            accuracy = 100 * base - rung["change"]["drop"]
            found.append((engine, rung["recipe"], rung["race"]["int8_ms"], accuracy, False))
    return found


def scatter(found: list[Point]) -> str:
    """Time to the right, accuracy upwards; a mark per model, a colour per engine."""
    if not found:
        return "<p>No quantized model was built.</p>"
    right = max(point[2] for point in found) * 1.15
    low, high = min(point[3] for point in found) - 0.5, max(point[3] for point in found) + 0.5
    engines = list(dict.fromkeys(point[0] for point in found))
    marks = [_axes(f"0 to {right:.2f} ms per face", f"{low:.1f} to {high:.1f} %")]
    for engine, model, time, accuracy, is_float in found:
        x = MARGIN + (WIDE - 2 * MARGIN) * time / right
        y = HIGH - MARGIN - (HIGH - 2 * MARGIN) * (accuracy - low) / (high - low)
        colour = COLOURS[engines.index(engine) % len(COLOURS)]
        fill = "none" if is_float else colour
        marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{fill}" stroke="{colour}" stroke-width="2">'
            f"<title>{escape(f'{engine} {model}: {time:.2f} ms, {accuracy:.2f} %')}</title></circle>"
        )
    for index, engine in enumerate(engines):
        colour = COLOURS[index % len(COLOURS)]
        marks.append(
            f'<text x="{WIDE - 100}" y="{24 + 18 * index}" style="fill:{colour}">{escape(engine)}</text>'
        )
    return _svg(marks)


def bars(full: dict[str, Any]) -> str:
    """A pair of bars per expression and engine."""
    shown = [
        (engine, each)
        for engine, climb in full["engines"].items()
        for each in climb["figures"]
        if each["data"] == "fer2013-private"
    ]
    labels = full["labels"]
    group = (WIDE - 2 * MARGIN) / len(labels)
    width = group * 0.8 / (2 * max(1, len(shown)))
    marks = [_axes("", "F1, 0 to 1")]
    for k, label in enumerate(labels):
        left = MARGIN + group * (k + 0.1)
        for index, (engine, each) in enumerate(shown):
            colour = COLOURS[index % len(COLOURS)]
            for step, (kind, alpha) in enumerate((("plain", 0.35), ("shipped", 1.0))):
                value = each[kind]["f1"][k]
                tall = (HIGH - 2 * MARGIN) * value
                x = left + width * (2 * index + step)
                name = escape(f"{engine} {kind} {label}: {value:.3f}")
                marks.append(
                    f'<rect x="{x:.1f}" y="{HIGH - MARGIN - tall:.1f}" width="{width:.1f}" '
                    f'height="{tall:.1f}" fill="{colour}" fill-opacity="{alpha}"><title>{name}</title></rect>'
                )
        marks.append(f'<text x="{left:.1f}" y="{HIGH - MARGIN + 16}">{escape(label)}</text>')
    return _svg(marks)


def _sensitivity(costs: list[dict[str, Any]]) -> str:
    if not costs:
        return ""
    return (
        "<h2>What 8 bits cost in each layer alone</h2>"
        "<p class=fine>Mean KL divergence of the weights from float's, on calibration faces; from input to "
        f"output. Point at a bar for its layer.</p>{sensitivity_bars(costs)}"
    )


def sensitivity_bars(costs: list[dict[str, Any]]) -> str:
    """A bar per layer, and the names of the five highest."""
    top = max(1e-12, *(each["kl"] for each in costs))
    named = sorted(costs, key=lambda each: -each["kl"])[:5]
    pitch = (WIDE - 2 * MARGIN) / len(costs)
    marks = [_axes("layers, from input to output", f"0 to {top:.2g} nats")]
    for k, each in enumerate(costs):
        tall = (HIGH - 2 * MARGIN) * max(0.0, each["kl"]) / top
        x, y = MARGIN + pitch * k, HIGH - MARGIN - tall
        told = f"{each['layer']}: {each['kl']:.2g} nats, {each['sqnr_db']:.1f} dB, {each['drop']:+.2f} points"
        marks.append(
            f'<rect class="cost" x="{x:.1f}" y="{y:.1f}" width="{pitch * 0.8:.1f}" height="{tall:.1f}" '
            f'fill="{COLOURS[1 if each in named else 0]}"><title>{escape(told)}</title></rect>'
        )
    worst = ", ".join(f"{each['layer']} ({each['kl']:.2g})" for each in named)
    return f"{_svg(marks)}<p class=fine>Highest: {escape(worst)}.</p>"


def _axes(below: str, beside: str) -> str:
    base, end = HIGH - MARGIN, WIDE - MARGIN
    return (
        f'<path d="M{MARGIN} {MARGIN}V{base}H{end}" fill="none" stroke="#888"/>'
        f'<text x="{MARGIN}" y="{HIGH - 12}">{escape(below)}</text>'
        f'<text x="{MARGIN}" y="{MARGIN - 10}">{escape(beside)}</text>'
    )


def _svg(marks: list[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDE} {HIGH}" width="{WIDE}" height="{HIGH}" role="img">{"".join(marks)}</svg>'
    )
