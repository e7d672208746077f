"""A build's record as one HTML page that needs nothing else: the table and plots."""

from __future__ import annotations

from collections.abc import Sequence

from pages import html, plots
from pages.plots import Point
from quantize.proof.build_record import BuildRecord, LayerCost
from quantize.proof.table import COLUMNS, rows, ships

WORST = 5


def page(record: BuildRecord) -> str:
    """The page for the record."""
    facts = f"{record.made_by.command}\n{record.date}, {record.machine}, {record.seconds:.0f} s"
    return html.page(
        f"{record.name}: build",
        [
            html.paragraph(facts, fine=True),
            html.table(COLUMNS, rows(record), words=(0, 1, len(COLUMNS) - 1)),
            html.bullets(ships(record)),
            html.plots(
                ("Accuracy on the public split against time", plots.accuracy_and_time(points(record))),
                ("F1 per expression, private split", _per_label(record)),
                *_sensitivity(record.sensitivity),
            ),
        ],
    )


def points(record: BuildRecord) -> list[Point]:
    """All that was timed."""
    found: list[Point] = []
    for engine, climb in record.engines.items():
        public = climb.own("public")
        if public is None:
            continue
        base = public.plain_unscaled
        timed = [(rung.race, rung.change) for rung in climb.rungs if rung.race and rung.change]
        found += [Point(engine, race.float_ms, base, hollow=True) for race, _ in timed[:1]]
        found += [Point(engine, race.int8_ms, base - change.drop / 100) for race, change in timed]
    return found


def _per_label(record: BuildRecord) -> str:
    private = {
        engine: found
        for engine, climb in record.engines.items()
        if (found := climb.own("private")) is not None
    }
    before = {engine: each.plain.f1 for engine, each in private.items()}
    after = {engine: each.shipped.f1 for engine, each in private.items()}
    return plots.per_label(record.labels, before, after, "F1, by the data set's own labels")


def _sensitivity(costs: Sequence[LayerCost]) -> Sequence[tuple[str, str]]:
    if not costs:
        return []
    kl = [max(0.0, each.kl) for each in costs]
    worst = sorted(range(len(costs)), key=lambda index: -kl[index])[:WORST]
    named = ", ".join(f"{costs[index].layer} ({kl[index]:.2g})" for index in worst)
    caption = f"What 8 bits cost in each layer alone\nOf the weights; most in {named}"
    return [(caption, plots.layers(kl, worst, "KL divergence, nats"))]
