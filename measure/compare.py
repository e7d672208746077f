"""Two records of ``bench`` side by side, if they can be."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge.errors import ToolchainError
from measure.machine import MACHINE_KEYS, REMARK_KEYS
from measure.record import END_TO_END, Record, Timed
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


@dataclass(frozen=True)
class Row:
    """One scenario in both records. ``ratio`` is second / first, ``low`` to ``high`` its 95 % interval."""

    engine: str
    scenario: str
    first_median_ms: float
    second_median_ms: float
    ratio: float
    low: float
    high: float
    first_rate: float
    second_rate: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """All scenarios that both records have, and what else is to be said."""

    rows: tuple[Row, ...]
    remarks: tuple[str, ...]

    def as_table(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(rounded({"schema": SCHEMA, **asdict(self)}))


def compare(first: Record, second: Record) -> Comparison:
    """Ratios second / first of every scenario that both have, with what may be concluded.

    Raises ToolchainError for unlike machines or settings and for a voided record: there a ratio would say
    something about the surroundings and be read as something about the bundles.
    """
    _refuse(first, second)
    alike = all(getattr(first.settings, key) == getattr(second.settings, key) for key in FRAME_KEYS)
    rows = [
        _row(engine, name, one, second.engines[engine].scenarios[name])
        for engine, before in first.engines.items()
        if engine in second.engines
        for name, one in before.scenarios.items()
        if name in second.engines[engine].scenarios and (name != END_TO_END or alike)
    ]
    if not rows:
        raise ToolchainError("the two records have no engine and scenario in common")
    pairs = {key: (getattr(first.machine, key), getattr(second.machine, key)) for key in REMARK_KEYS}
    remarks = [f"{key}: {here} and {there}" for key, (here, there) in pairs.items() if here != there]
    if not alike:
        remarks.append("end-to-end was left out: source or detector differ")
    return Comparison(tuple(rows), tuple(remarks))


def _refuse(first: Record, second: Record) -> None:
    for which, record in (("first", first), ("second", second)):
        if record.verdict.voided:
            raise ToolchainError(f"the {which} record is void ({record.verdict.voided[0]}): measure again")
    for key in MACHINE_KEYS:
        here, there = getattr(first.machine, key), getattr(second.machine, key)
        if here != there:
            raise ToolchainError(
                f"these are unlike machines and cannot be compared: {_differ(key, here, there)}"
            )
    for key in SETTING_KEYS:
        here, there = getattr(first.settings, key), getattr(second.settings, key)
        if here != there:
            raise ToolchainError(f"these were measured with unlike settings: {key} is {here!r} and {there!r}")


def _differ(key: str, here: Any, there: Any) -> str:
    if isinstance(here, tuple) and isinstance(there, tuple):
        odd = sorted(set(here) ^ set(there))
        return f"{key} differ in {', '.join(odd[:5])}"
    return f"{key} is {here!r} and {there!r}"


def _row(engine: str, name: str, one: Timed, other: Timed) -> Row:
    ratio, low, high = ratio_interval(one.values_ms, other.values_ms)
    if one.unstable or other.unstable:
        verdict = "unstable: nothing can be concluded"
    elif high < 1:
        verdict = "faster"
    elif low > 1:
        verdict = "slower"
    else:
        verdict = "no difference seen"
    return Row(
        engine=engine,
        scenario=name,
        first_median_ms=one.median_ms,
        second_median_ms=other.median_ms,
        ratio=ratio,
        low=low,
        high=high,
        first_rate=one.rate,
        second_rate=other.rate,
        verdict=verdict,
    )


def text(result: Comparison, first: str, second: str) -> str:
    """The comparison for a terminal."""
    lines = [f"first: {first}", f"second: {second}", ""]
    lines.append(f"{'engine':<10}{'scenario':<15}{'first':>9}{'second':>9}{'ratio':>7}{'95 %':>13}  verdict")
    for row in result.rows:
        lines.append(
            f"{row.engine:<10}{row.scenario:<15}{row.first_median_ms:9.3f}{row.second_median_ms:9.3f}"
            f"{row.ratio:7.3f}{row.low:7.3f}-{row.high:.3f}  {row.verdict.partition(':')[0]}"
        )
    lines += [f"remark: {remark}" for remark in result.remarks]
    return "\n".join(lines)
