"""A build's record as one HTML page that needs nothing else: the table and plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from measure import machine
from pages import html, plots
from pages.plots import Point
from quantize.proof.table import COLUMNS, rows, ships

WORST = 5


def page(full: dict[str, Any]) -> str:
    """The page for the record ``full`` (build.json)."""
    where = machine.read(full["machine"], full["name"])
    facts = f"{full['made_by']['command']}\n{full['date']}, {where}, {full['seconds']:.0f} s"
    return html.page(
        f"{full['name']}: build",
        [
            html.paragraph(facts, fine=True),
            html.table(COLUMNS, rows(full), words=(0, 1, len(COLUMNS) - 1)),
            html.bullets(ships(full)),
            html.plots(
                ("Accuracy on the public split against time", plots.accuracy_and_time(points(full))),
                ("F1 per expression, private split", _per_label(full)),
                *_sensitivity(full["sensitivity"]),
            ),
        ],
    )


def points(full: dict[str, Any]) -> list[Point]:
    """All that was timed."""
    found: list[Point] = []
    for engine, climb in full["engines"].items():
        base = next(each["plain_unscaled"] for each in climb["figures"] if each["data"] == "fer2013-public")
        timed = [rung for rung in climb["rungs"] if rung["race"]]
        if timed:
            found.append(Point(engine, timed[0]["race"]["float_ms"], base, hollow=True))
        found += [
            Point(engine, rung["race"]["int8_ms"], base - rung["change"]["drop"] / 100) for rung in timed
        ]
    return found


def _per_label(full: dict[str, Any]) -> str:
    private = {
        engine: each
        for engine, climb in full["engines"].items()
        for each in climb["figures"]
        if each["data"] == "fer2013-private"
    }
    before = {engine: each["plain"]["f1"] for engine, each in private.items()}
    after = {engine: each["shipped"]["f1"] for engine, each in private.items()}
    return plots.per_label(full["labels"], before, after, "F1, by FER2013's labels")


def _sensitivity(costs: list[dict[str, Any]]) -> Sequence[tuple[str, str]]:
    if not costs:
        return []
    kl = [max(0.0, each["kl"]) for each in costs]
    worst = sorted(range(len(costs)), key=lambda index: -kl[index])[:WORST]
    named = ", ".join(f"{costs[index]['layer']} ({kl[index]:.2g})" for index in worst)
    caption = f"What 8 bits cost in each layer alone\nOf the weights; most in {named}"
    return [(caption, plots.layers(kl, worst, "KL divergence, nats"))]
