"""Evaluation records as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pages import html, plots
from train import probe
from train.evaluate import scaled_by

HEADINGS = (
    "model",
    "engine",
    "faces of",
    "accuracy",
    "95 % interval",
    "macro-F1",
    "FER+",
    "ECE",
    "ECE calibrated",
)


def page(records: Sequence[dict[str, Any]], probes: Sequence[dict[str, Any]] = ()) -> str:
    """An HTML page with a table of all records, tables and plots for each, and what probes found."""
    names = [*(each["model"]["name"] for each in records), *(each["run"]["name"] for each in probes)]
    title = "ferlite: evaluation of " + ", ".join(dict.fromkeys(names))
    sections = [block for record in records for block in _section(record)]
    table = [html.table(HEADINGS, map(_row, records), words=(0, 1, 2))] if records else []
    return html.page(title, [*table, *sections, *(block for each in probes for block in _probed(each))])


def _probed(record: dict[str, Any]) -> list[str]:
    told = ", ".join(f"{each['name']}: {each['faces']} faces" for each in record["data"])
    return [
        html.heading(probe.title(record), told),
        html.table(probe.HEADINGS, probe.cells(record), words=(0, 1)),
    ]


def _row(record: dict[str, Any]) -> list[str]:
    total, cal, plus = record["score"], record["calibration"], record["ferplus"]
    low, high = total["interval"]
    return [
        record["model"]["name"],
        record["model"]["engine"],
        record["data"]["name"],
        f"{total['accuracy']:.2%}",
        f"{low:.1%} to {high:.1%}",
        f"{total['macro_f1']:.3f}",
        f"{plus['accuracy']:.2%} of {plus['count']}" if plus else "none",
        f"{cal['ece_before']:.2%}",
        f"{cal['ece_after']:.2%}",
    ]


def _section(record: dict[str, Any]) -> Sequence[str]:
    model, total, cal = record["model"], record["score"], record["calibration"]
    classes = [
        [label, str(row["count"]), f"{row['precision']:.1%}", f"{row['recall']:.1%}", f"{row['f1']:.3f}"]
        for label, row in total["per_class"].items()
    ]
    facts = {**model, **record["environment"]}
    told = ", ".join(f"{key} {value}" for key, value in facts.items() if value not in ("", {}))
    drawn = [
        ("Confusion", plots.confusion(total["confusion"], list(total["per_class"]))),
        ("Before scaling", _reliability(cal, "before")),
        (f"With {scaled_by(cal)}, of {cal['fitted_on']}", _reliability(cal, "after")),
    ]
    if record["corruptions"]:
        drawn.append(("On worsened faces", plots.strengths(record["corruptions"], total["accuracy"])))
    return [
        html.heading(f"{model['name']} on {record['data']['name']}", told),
        html.table(("expression", "faces", "precision", "recall", "F1"), classes),
        html.plots(*drawn),
    ]


def _reliability(calibration: dict[str, Any], when: str) -> str:
    bins = [
        (each["count"], each["confidence"], each["accuracy"]) for each in calibration[f"reliability_{when}"]
    ]
    return plots.reliability(bins, f"ECE {calibration[f'ece_{when}']:.2%}")
