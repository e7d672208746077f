"""A record of ``quantize.sizes.measure`` as a table for a terminal and as one HTML page."""

from __future__ import annotations

from typing import Any

from measure import machine
from measure.machine import Machine
from pages import html, plots
from pages.plots import Point

COLUMNS = ("network", "px", "float", "int8", "agree", "float ms", "int8 ms", "ratio", "points per ms")


def rows(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """One row per network and size. ``points per ms``: what int8 answers over chance, by its time."""
    return [
        (
            row["network"],
            f"{row['size']}{'*' if row['size'] == row['trained_at'] else ''}",
            f"{row['float']['accuracy']:.2%}",
            f"{row['int8']['accuracy']:.2%}",
            f"{row['agreement']:.1%}",
            f"{row['float']['ms']:.2f}",
            f"{row['int8']['ms']:.2f}",
            f"{row['ratio']:.2f}",
            f"{100 * (row['int8']['accuracy'] - 1 / 7) / row['int8']['ms']:.0f}",
        )
        for row in record["rows"]
    ]


def text(record: dict[str, Any]) -> str:
    """The table and how to read it."""
    table = [COLUMNS, *rows(record)]
    widths = [max(len(row[k]) for row in table) for k in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in table
    ]
    return "\n".join(
        [
            *lines,
            "",
            f"* the size it was trained at. {record['library']}, 1 thread, processor time,",
            f"{record['data']['faces']} faces of {record['data']['split']}; {_where(record)}:",
            "all ran in turns, so ratios can be relied on more than times",
        ]
    )


def page(record: dict[str, Any]) -> str:
    """The table and accuracy against time, self-contained."""
    points = [
        Point(row["network"], row[kind]["ms"], row[kind]["accuracy"], kind == "float", joined=True)
        for row in record["rows"]
        for kind in ("float", "int8")
    ]
    facts = f"{record['command']}\n{record['date']}, {_where(record)}, {record['library']}, 1 thread"
    return html.page(
        "Accuracy by input size",
        [
            html.paragraph(facts, fine=True),
            html.table(COLUMNS, rows(record)),
            html.paragraph("* the size that the network was trained at", fine=True),
            html.plots(("Accuracy against time, a mark for each size", plots.accuracy_and_time(points))),
        ],
    )


def _where(record: dict[str, Any]) -> Machine:
    return machine.read(record["machine"], "the record")
