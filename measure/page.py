"""A benchmark's record as one HTML page that needs nothing else: tables and plots."""

from __future__ import annotations

from collections.abc import Sequence

from measure import output
from measure.record import Frames, Record
from pages import html, plots

HEADINGS = ("engine", "scenario", "median ms", "p90", "p95", "p99", "per second", "CPU-ms", "verdict")


def page(record: Record) -> str:
    """The page for one record."""
    names = list(dict.fromkeys(name for each in record.engines.values() for name in each.scenarios))
    raw = {
        name: {
            engine: each.scenarios[name].raw_ms
            for engine, each in record.engines.items()
            if name in each.scenarios
        }
        for name in names
    }
    blocks = [
        _facts(record),
        _verdict(record),
        _table(record),
        html.heading("Latency", "How many of all queries took at most so long."),
        html.plots(*((name, plots.distribution(raw[name])) for name in names)),
        *_end_to_end(record),
        html.heading("Over the run", "Every query in order: a board that grows hot climbs here."),
        html.plots(*((name, plots.in_order(raw[name])) for name in names)),
        *_starts_and_power(record),
    ]
    return html.page(f"{record.bundle.name}: bench", blocks)


def _facts(record: Record) -> str:
    before, after = record.moments[0], record.moments[-1]
    lines = (
        record.command,
        f"{record.date}, bundle {record.bundle.digest[:12]}",
        output.machine_text(record.machine),
        output.settings_text(record.settings),
        f"{output.moment_text('before', before)}; {output.moment_text('after', after)}",
    )
    return html.paragraph("\n".join(lines), fine=True)


def _verdict(record: Record) -> str:
    verdict = record.verdict
    said = [f"{what} may be unstable: {'; '.join(why)}" for what, why in verdict.unstable.items()]
    said += [] if verdict.throttling_known else ["this machine does not tell whether it throttled"]
    said += [f"{engine} was not measured: {why}" for engine, why in record.skipped.items()]
    void = [f"VOID: {reason}" for reason in verdict.voided]
    return html.bullets(said, bad=void) or html.paragraph("Stable by pyperf's rules.")


def _table(record: Record) -> str:
    rows = [
        (
            f"{engine} ({each.version}, {each.precision})",
            name,
            *(f"{getattr(one, figure):.3f}" for figure in output.FIGURES),
            f"{one.rate:.1f}",
            f"{one.cpu_ms:.3f}",
            "unstable" if one.unstable else "stable",
        )
        for engine, each in record.engines.items()
        for name, one in each.scenarios.items()
    ]
    return html.table(HEADINGS, rows, words=(0, 1, len(HEADINGS) - 1))


def _end_to_end(record: Record) -> Sequence[str]:
    runs = {engine: each.frames for engine, each in record.engines.items() if each.frames}
    if not runs:
        return [html.paragraph("End to end was not measured: no source was given.")]
    means = {
        engine: {name: part.mean_ms for name, part in one.stages.items()} for engine, one in runs.items()
    }
    return [
        html.heading("Where a frame's time goes", "Means over all frames, ms."),
        html.plots(("stages", plots.stacked(means))),
        _stage_table(runs),
    ]


def _stage_table(runs: dict[str, Frames]) -> str:
    names = list(next(iter(runs.values())).stages)
    rows = [
        (
            engine,
            *(f"{one.stages[name].mean_ms:.3f}" for name in names),
            "unknown" if one.overhead is None else f"{one.overhead:+.0%}",
        )
        for engine, one in runs.items()
    ]
    return html.table(("engine", *names, "around the engines"), rows)


def _starts_and_power(record: Record) -> Sequence[str]:
    blocks = [html.heading("Start, memory and power")]
    for engine, each in record.engines.items():
        power = output.power_text(each.power) if each.power else each.no_power
        blocks.append(html.paragraph(f"{engine}: {output.start_text(each.start)}.\nPower: {power}."))
        if each.power:
            drawn = plots.watts(each.power.raw_idle_w, each.power.raw_running_w)
            blocks.append(html.plots((f"{engine}: watts", drawn)))
    return blocks
