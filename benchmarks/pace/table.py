"""The record of what doing less loses as a table, and what was set out for."""

from __future__ import annotations

from typing import Any

LEAST_FOUND, LEAST_SAME, MOST_LATE_MS, MOST_DELAY_MS, MOST_FLIPS = 0.99, 0.98, 100.0, 150.0, 2


def markdown(record: dict[str, Any]) -> str:
    """The record as a table for the page, and what was set out for."""
    lines = [
        "| clip | faces found | same expression | same label | flips (every frame) | searches | readings |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in record["clips"].items():
        faces, found = max(1, row["faces"]), max(1, row["found"])
        lines.append(
            f"| {name}{' (chosen on)' if row['chosen_on'] else ''} | {row['found']} of {row['faces']} "
            f"| {row['same'] / found:.1%} | {row['same_label'] / found:.1%} "
            f"| {row['flips']} ({row['every_flips']}) | {row['searches'] / row['frames']:.0%} of frames "
            f"| {row['reads'] / faces:.0%} of faces |"
        )
    said = f"{record['date']}: `{record['command']}`"
    return "\n".join([*lines, "", *targets(record), "", said])


def targets(record: dict[str, Any]) -> list[str]:
    """What was set out for beside what was measured, of the clips that nothing was chosen on."""
    sums, changes = record["reported"], record["changes"]
    late = [each["paced_ms"] - each["every_ms"] for each in changes if None not in each.values()]
    delays = [each["paced_ms"] for each in changes if each["paced_ms"] is not None]
    unseen = sum(each["paced_ms"] is None for each in changes)
    made = [row for name, row in record["clips"].items() if name in ("one", "many")]
    flips = max((120 * row["flips"] / row["frames"] for row in made), default=0.0)
    label_flips = max((120 * row["label_flips"] / row["frames"] for row in made), default=0.0)
    rows = [
        (
            "faces found",
            f"at least {LEAST_FOUND:.0%}",
            sums["found"] / max(1, sums["faces"]),
            LEAST_FOUND,
            "%",
        ),
        (
            "same expression",
            f"at least {LEAST_SAME:.0%}",
            sums["same"] / max(1, sums["found"]),
            LEAST_SAME,
            "%",
        ),
        (
            "same label",
            f"at least {LEAST_SAME:.0%}",
            sums["same_label"] / max(1, sums["found"]),
            LEAST_SAME,
            "%",
        ),
        ("a change later than in every frame", "at most 100 ms", max(late, default=0.0), -MOST_LATE_MS, "ms"),
        ("a change after it happened", "at most 150 ms", max(delays, default=0.0), -MOST_DELAY_MS, "ms"),
        ("changes not seen in a second", "none", float(unseen), -0.0, ""),
        ("flips in 120 frames, one and many", f"at most {MOST_FLIPS}", flips, -float(MOST_FLIPS), ""),
        ("label flips in 120 frames", f"at most {MOST_FLIPS}", label_flips, -float(MOST_FLIPS), ""),
    ]
    lines = ["| target | bound | measured | |", "|---|---|---|---|"]
    for what, bound, value, least, unit in rows:
        met = value >= least if unit == "%" else value <= -least
        told = f"{value:.2%}" if unit == "%" else f"{value:.0f} {unit}".rstrip()
        lines.append(f"| {what} | {bound} | {told} | {'met' if met else 'missed'} |")
    return lines
