"""The record of ``benchmarks.detection`` as tables for the docs; standard library only."""

from __future__ import annotations

from typing import Any


def sizes(record: dict[str, Any]) -> str:
    """A row for each size of search: the share of faces found by their shorter side, false ones, CPU-ms."""
    found = record["by_size"]
    sides = list(found["faces"])
    rows = [
        "| search | " + " | ".join(f"{side} px" for side in sides) + " | false | CPU-ms |",
        "|---" * (len(sides) + 3) + "|",
    ]
    for name, one in found["detectors"].items():
        shares = " | ".join(f"{one['found'][side]:.0%}" for side in sides)
        rows.append(f"| {name} | {shares} | {one['false']} of {one['told']} | {one['cpu_ms']:.1f} |")
    counts = ", ".join(str(count) for count in found["faces"].values())
    return "\n".join([*rows, "", f"Of {counts} faces. {_origin(record)}"])


def following(record: dict[str, Any]) -> str:
    """A row for each distance of searches, over all clips."""
    rows = [
        "| searched | searches / frames | faces found | worst clip | beyond | flips per 100 | jitter |",
        "|---|---|---|---|---|---|---|",
    ]
    clips = [each for name, each in record["following"].items() if name != "all"]
    for every, each in record["following"]["all"].items():
        jitters = [clip[every]["jitter"] for clip in clips if "jitter" in clip[every]]
        shares = [clip[every]["found"] / clip[every]["faces"] for clip in clips if clip[every]["faces"]]
        name = {"1": "every frame", "2": "every 2nd", "3": "every 3rd"}.get(every, f"every {every}th")
        rows.append(
            f"| {name} | {each['searches']} / {each['frames']} | {each['found']} of {each['faces']} "
            f"| {min(shares):.0%} "
            f"| {each['beyond']} | {100 * each['flips'] / max(1, each['pairs']):.1f} "
            f"| {' / '.join(f'{jitter:.1%}' for jitter in jitters)} |"
        )
    return "\n".join([*rows, "", _origin(record)])


def _origin(record: dict[str, Any]) -> str:
    return f"{record['date']}: `{record['command']}`"
