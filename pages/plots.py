"""Plots as inline SVG: an HTML page that carries them needs nothing else, and no library draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

INK, FAINT, BLUE, ORANGE = "#222", "#ddd", "#2b6cb0", "#dd6b20"
STEPS = ("#9fc3e6", "#4f8fce", "#1d4f86")  # strengths of a corruption, light to strong


def confusion(table: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """A confusion matrix: a row per label, shaded by the share of the label's faces."""
    cell, left, top = 52, 92, 84
    parts = []
    for row, (label, counts) in enumerate(zip(labels, table, strict=True)):
        y = top + row * cell
        parts.append(_text(left - 8, y + cell / 2 + 4, label, anchor="end"))
        for column, count in enumerate(counts):
            share = count / max(1, sum(counts))
            x = left + column * cell
            light = "#fff" if share > 0.5 else INK
            title = f"{label} taken for {labels[column]}: {count} of {sum(counts)}"
            parts.append(
                f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="{BLUE}" '
                f'fill-opacity="{share:.3f}" stroke="{FAINT}"><title>{escape(title)}</title></rect>'
            )
            parts.append(_text(x + cell / 2, y + cell / 2 + 4, f"{share:.0%}", fill=light))
    for column, label in enumerate(labels):
        middle = left + column * cell + cell / 2 + 4
        turned = f'transform="rotate(-40 {middle} {top - 8})"'
        parts.append(f'<text x="{middle}" y="{top - 8}" {turned} fill="{INK}">{escape(label)}</text>')
    side = cell * len(labels)
    return _svg(left + side + 40, top + side + 6, parts)


def reliability(bins: Sequence[Mapping[str, Any]], title: str) -> str:
    """A reliability diagram: how often answers of each confidence were right; bars' width tells how many."""
    size, left, top = 220, 44, 28
    total = max(1, sum(each["count"] for each in bins))
    parts = [_text(left + size / 2, 16, title)]
    step = size / len(bins)
    for index, each in enumerate(bins):
        if not each["count"]:
            continue
        wide = max(2.0, step * min(1.0, 3 * each["count"] / total))
        x, high = left + index * step + (step - wide) / 2, size * each["accuracy"]
        told = f"{each['count']} answers, {each['confidence']:.0%} sure, {each['accuracy']:.0%} right"
        parts.append(
            f'<rect x="{x:.1f}" y="{top + size - high:.1f}" width="{wide:.1f}" height="{high:.1f}" '
            f'fill="{BLUE}"><title>{told}</title></rect>'
        )
    parts.append(_dashed(left, top + size, left + size, top))
    parts += _frame(left, top, size, size)
    for share in (0.0, 0.5, 1.0):
        parts.append(_text(left + share * size, top + size + 16, f"{share:.0%}"))
        parts.append(_text(left - 6, top + size - share * size + 4, f"{share:.0%}", anchor="end"))
    parts.append(_text(left + size / 2, top + size + 32, "confidence"))
    return _svg(left + size + 24, top + size + 40, parts)


def bars(rows: Mapping[str, Sequence[float]], clean: float) -> str:
    """Accuracy per corruption, a bar per strength, with a line where the accuracy on clean faces is."""
    bar, gap, left, top, wide = 9, 10, 92, 10, 420
    parts, y = [], float(top)
    for name, values in rows.items():
        parts.append(_text(left - 8, y + bar * len(values) / 2 + 4, name, anchor="end"))
        for strength, value in enumerate(values):
            told = f"{name}, strength {strength + 1}: {value:.1%}"
            parts.append(
                f'<rect x="{left}" y="{y:.1f}" width="{value * wide:.1f}" height="{bar}" '
                f'fill="{STEPS[strength % len(STEPS)]}"><title>{escape(told)}</title></rect>'
            )
            parts.append(_text(left + value * wide + 5, y + bar - 1, f"{value:.0%}", anchor="start", size=9))
            y += bar
        y += gap
    x = left + clean * wide
    parts.append(_dashed(x, top, x, y))
    parts.append(_text(x, y + 12, f"clean {clean:.1%}", fill=ORANGE))
    return _svg(left + wide + 40, round(y) + 20, parts)


def _frame(left: float, top: float, wide: float, high: float) -> list[str]:
    return [f'<rect x="{left}" y="{top}" width="{wide}" height="{high}" fill="none" stroke="{INK}"/>']


def _dashed(x1: float, y1: float, x2: float, y2: float) -> str:
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="{ORANGE}" stroke-dasharray="4 3"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "middle", fill: str = INK, size: int = 12) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{fill}" font-size="{size}">{escape(text)}</text>'


def _svg(wide: float, high: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" '
        f'font-family="sans-serif" font-size="12">{"".join(parts)}</svg>'
    )
