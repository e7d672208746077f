"""Evaluation records as one HTML page that stands alone: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from pages import plots
from train.evaluate import scaled_by

STYLE = """
body { font-family: sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
section { margin-top: 3rem; border-top: 2px solid #222; }
.side { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
.small { color: #666; font-size: 0.85rem; overflow-wrap: anywhere; }
"""


def page(records: Sequence[dict[str, Any]]) -> str:
    """An HTML page with a table of all records, and tables and plots for each."""
    title = "ferlite: evaluation of " + ", ".join(dict.fromkeys(each["model"]["name"] for each in records))
    sections = "".join(_section(each) for each in records)
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    body = f"<h1>{escape(title)}</h1>{_overview(records)}{sections}"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _overview(records: Sequence[dict[str, Any]]) -> str:
    head = [
        "model",
        "engine",
        "faces of",
        "accuracy",
        "95 % interval",
        "macro-F1",
        "FER+",
        "ECE",
        "ECE calibrated",
    ]
    rows = []
    for each in records:
        total, cal = each["score"], each["calibration"]
        low, high = total["interval"]
        plus = each["ferplus"]
        rows.append(
            [
                each["model"]["name"],
                each["model"]["engine"],
                each["data"]["name"],
                f"{total['accuracy']:.2%}",
                f"{low:.1%} to {high:.1%}",
                f"{total['macro_f1']:.3f}",
                f"{plus['accuracy']:.2%} of {plus['count']}" if plus else "none",
                f"{cal['ece_before']:.2%}",
                f"{cal['ece_after']:.2%}",
            ]
        )
    return _table(head, rows)


def _section(record: dict[str, Any]) -> str:
    model, total, cal = record["model"], record["score"], record["calibration"]
    labels = list(total["per_class"])
    classes = [
        [label, str(row["count"]), f"{row['precision']:.1%}", f"{row['recall']:.1%}", f"{row['f1']:.3f}"]
        for label, row in total["per_class"].items()
    ]
    parts = [
        f"<section><h2>{escape(model['name'])} on {escape(record['data']['name'])}</h2>",
        '<div class="side"><div><h3>Per expression</h3>',
        _table(["expression", "faces", "precision", "recall", "F1"], classes),
        "</div><div><h3>Confusion: labels in rows, answers in columns</h3>",
        plots.confusion(total["confusion"], labels),
        "</div></div><h3>Calibration</h3>",
        f"<p>After: with {scaled_by(cal)}, of {escape(cal['fitted_on'])}.</p>",
        '<div class="side">',
        plots.reliability(cal["reliability_before"], f"before: ECE {cal['ece_before']:.2%}"),
        plots.reliability(cal["reliability_after"], f"after: ECE {cal['ece_after']:.2%}"),
        "</div>",
    ]
    if record["corruptions"]:
        parts.append("<h3>On worsened faces: light, medium and strong</h3>")
        parts.append(plots.bars(record["corruptions"], total["accuracy"]))
    facts = {**model, **record["environment"]}
    told = ", ".join(f"{key} {value}" for key, value in facts.items() if value not in ("", {}))
    parts.append(f'<p class="small">{escape(told)}</p></section>')
    return "".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{first}</tr>{body}</table>"
