"""A build's record as one table for a terminal."""

from __future__ import annotations

from quantize.proof.build_record import BuildRecord, EngineBuild, Rung

COLUMNS = (
    "engine",
    "recipe",
    "MB",
    "accuracy",
    "drop",
    "agree",
    "worst class",
    "ms",
    "ratio",
    "MiB",
    "verdict",
)


def rows(record: BuildRecord) -> list[tuple[str, ...]]:
    """One row per model tried, as COLUMNS; a cell that was not measured is empty."""
    found = []
    for engine, climb in record.engines.items():
        found.append(_float_row(engine, climb))
        found += [_rung_row(engine, climb, rung) for rung in climb.rungs]
    return found


def text(record: BuildRecord) -> str:
    """The table, then what ships and how it fares on the split that nothing was chosen by."""
    table = [COLUMNS, *rows(record)]
    widths = [max(len(row[k]) for row in table) for k in range(len(COLUMNS) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in table
    ]
    lines.append("")
    lines += ships(record)
    costs = sorted(record.sensitivity, key=lambda each: -each.kl)[:3]
    if costs:
        named = ", ".join(f"{each.layer} ({each.kl:.1e})" for each in costs)
        lines.append(f"layers that 8 bits cost most (KL divergence): {named}")
    unstable = [
        f"{engine} {rung.recipe}"
        for engine, climb in record.engines.items()
        for rung in climb.rungs
        if rung.race and not rung.race.stable
    ]
    if unstable:
        lines.append(f"unstable times (the machine was busy): {', '.join(unstable)}")
    return "\n".join(lines)


def ships(record: BuildRecord) -> list[str]:
    """A sentence for each engine: what ships and how it fares on the private split."""
    return [
        f"{engine} ships {climb.shipped}: {each.shipped.accuracy:.2%} on {each.data} "
        f"({each.shipped.images} faces; float {each.plain.accuracy:.2%}), macro-F1 "
        f"{each.shipped.macro_f1:.3f}, ECE {each.ece:.2%} by {climb.scalings[each.annotators]}, "
        f"{each.ece_before:.2%} without"
        for engine, climb in record.engines.items()
        for each in climb.figures
        if each.data.endswith("-private")
    ]


def _public(climb: EngineBuild) -> float | None:
    """The float model's accuracy on the public split, unscaled, as the gate saw it."""
    public = climb.own("public")
    return public.plain_unscaled if public else None


def _float_row(engine: str, climb: EngineBuild) -> tuple[str, ...]:
    public = _public(climb)
    race = next((rung.race for rung in climb.rungs if rung.race), None)
    return (
        engine,
        f"float ({climb.float.precision})",
        f"{climb.float.bytes / 1e6:.2f}",
        f"{public:.2%}" if public is not None else "",
        "",
        "",
        "",
        f"{race.float_ms:.2f}" if race else "",
        "",
        f"{climb.float.peak_rss_mib:.0f}",
        "" if climb.passed else "ships: no recipe passed",
    )


def _rung_row(engine: str, climb: EngineBuild, rung: Rung) -> tuple[str, ...]:
    verdict = "; ".join(rung.objections) or "passed"
    change, race = rung.change, rung.race
    if not change or not race:
        return (engine, rung.recipe, *[""] * 8, verdict)
    public = _public(climb)
    return (
        engine,
        rung.recipe,
        f"{(rung.bytes or 0) / 1e6:.2f}",
        f"{public - change.drop / 100:.2%}" if public is not None else "",
        f"{change.drop:+.2f}",
        f"{change.agreement:.1%}",
        f"{change.worst_class} {-change.worst_drop:+.1f}",
        f"{race.int8_ms:.2f}",
        f"{race.ratio:.2f}",
        f"{rung.peak_rss_mib or 0:.0f}",
        verdict,
    )
