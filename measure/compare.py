"""Two records of ``bench`` side by side, if they can be."""

from __future__ import annotations

from typing import Any

from edge.errors import ToolchainError
from measure.machine import MACHINE_KEYS, REMARK_KEYS
from measure.output import rate
from measure.stats import ratio_interval, rounded

SCHEMA = 1
SETTING_KEYS = ("threads", "device", "faces", "batch")
FRAME_KEYS = (
    "source",
    "source_digest",
    "detector",
    "detector_model_digest",
    "detector_engine",
    "detect_size",
    "detect_every",
)


def compare(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Ratios second / first of every scenario that both have, with what may be concluded.

    Raises ToolchainError for unlike machines or settings and for a voided record: there a ratio would say
    something about the surroundings and be read as something about the bundles.
    """
    _refuse(first, second)
    rows = []
    for engine, before in first["engines"].items():
        after = second["engines"].get(engine)
        if after is None:
            continue
        for name, one in before["scenarios"].items():
            other = after["scenarios"].get(name)
            if other is not None and (name != "end-to-end" or _same_frames(first, second)):
                rows.append(_row(engine, name, one, other))
    if not rows:
        raise ToolchainError("the two records have no engine and scenario in common")
    remarks = [
        f"{key}: {first['machine'].get(key)} and {second['machine'].get(key)}"
        for key in REMARK_KEYS
        if first["machine"].get(key) != second["machine"].get(key)
    ]
    if not _same_frames(first, second):
        remarks.append("end-to-end was left out: source or detector differ")
    return dict(rounded({"schema": SCHEMA, "rows": rows, "remarks": remarks}))


def _refuse(first: dict[str, Any], second: dict[str, Any]) -> None:
    for which, record in (("first", first), ("second", second)):
        if record["verdict"]["voided"]:
            raise ToolchainError(
                f"the {which} record is void ({record['verdict']['voided'][0]}): measure again"
            )
    for key in MACHINE_KEYS:
        here, there = first["machine"].get(key), second["machine"].get(key)
        if here != there:
            raise ToolchainError(
                f"these are unlike machines and cannot be compared: {_differ(key, here, there)}"
            )
    for key in SETTING_KEYS:
        here, there = first["settings"].get(key), second["settings"].get(key)
        if here != there:
            raise ToolchainError(f"these were measured with unlike settings: {key} is {here!r} and {there!r}")


def _differ(key: str, here: Any, there: Any) -> str:
    if isinstance(here, list) and isinstance(there, list):
        odd = sorted(set(here) ^ set(there))
        return f"{key} differ in {', '.join(odd[:5])}"
    return f"{key} is {here!r} and {there!r}"


def _same_frames(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(first["settings"].get(key) == second["settings"].get(key) for key in FRAME_KEYS)


def _row(engine: str, name: str, one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    ratio, low, high = ratio_interval(one["values_ms"], other["values_ms"])
    unstable = bool(one["unstable"] or other["unstable"])
    if unstable:
        verdict = "unstable: nothing can be concluded"
    elif high < 1:
        verdict = "faster"
    elif low > 1:
        verdict = "slower"
    else:
        verdict = "no difference seen"
    return {
        "engine": engine, "scenario": name, "first_median_ms": one["median_ms"],
        "second_median_ms": other["median_ms"], "ratio": ratio, "low": low, "high": high,
        "first_rate": rate(one), "second_rate": rate(other), "verdict": verdict,
    }  # fmt: skip


def text(result: dict[str, Any], first: str, second: str) -> str:
    """The comparison for a terminal."""
    lines = [f"first: {first}", f"second: {second}", ""]
    lines.append(f"{'engine':<10}{'scenario':<15}{'first':>9}{'second':>9}{'ratio':>7}{'95 %':>13}  verdict")
    for row in result["rows"]:
        lines.append(
            f"{row['engine']:<10}{row['scenario']:<15}{row['first_median_ms']:9.3f}"
            f"{row['second_median_ms']:9.3f}{row['ratio']:7.3f}{row['low']:7.3f}-{row['high']:.3f}"
            f"  {row['verdict'].partition(':')[0]}"
        )
    lines += [f"remark: {remark}" for remark in result["remarks"]]
    return "\n".join(lines)
