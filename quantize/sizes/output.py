"""A record of ``quantize.sizes.measure`` as a table for a terminal and as one HTML page."""

from __future__ import annotations

from html import escape
from typing import Any

from quantize.proof.page import STYLE, scatter

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
    machine = record["machine"]
    return "\n".join(
        [
            *lines,
            "",
            f"* the size it was trained at. {record['library']}, 1 thread, processor time,",
            f"{record['data']['faces']} faces of {record['data']['split']}; {machine['cpu']}, "
            f"load {machine['load']}:",
            "all ran in turns, so ratios can be relied on more than times",
        ]
    )


def page(record: dict[str, Any]) -> str:
    """The table and accuracy against time, self-contained."""
    head = "".join(f"<th>{escape(each)}</th>" for each in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows(record)
    )
    points = [
        (
            row["network"],
            f"{row['size']} px {kind}",
            row[kind]["ms"],
            100 * row[kind]["accuracy"],
            kind == "float",
        )
        for row in record["rows"]
        for kind in ("float", "int8")
    ]
    machine = record["machine"]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Input sizes</title>'
        f"<style>{STYLE}</style><h1>Accuracy by input size</h1><p class=fine>{escape(record['command'])}<br>"
        f"{record['date']}, {escape(str(machine['cpu']))}, {machine['cores']} cores, load {machine['load']}, "
        f"{escape(record['library'])}, 1 thread</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        "<p class=fine>* the size that the network was trained at. Rings are float, dots are int8.</p>"
        f"{scatter(points)}</html>\n"
    )
