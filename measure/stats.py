"""From raw times to figures, and whether the figures can be believed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# One value is the mean of consecutive queries that last this long together, as in pyperf: a single query of
# a millisecond is at the mercy of the scheduler, and only its percentiles say something.
VALUE_MS = 100.0
# pyperf's bounds (its `check` command): more than this and a result "may be unstable".
MOST_DEVIATION = 0.10
MOST_EXTREME = 0.50
SHORTEST_VALUE_MS = 1.0
FEWEST_VALUES = 5


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Of raw times in milliseconds. Percentiles are the nearest rank's: a time that really occurred.

    ``values_ms`` are means over consecutive queries of 100 ms together; mean and deviation are of these.
    ``unstable`` has the reasons not to rely on the figures, by pyperf's rules; empty where there is none.
    """

    median_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    min_ms: float
    max_ms: float
    mean_ms: float
    deviation_ms: float
    values_ms: tuple[float, ...]
    unstable: tuple[str, ...]


def percentile(times: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the least time that ``share`` (0-1) of all do not exceed."""
    ranked = sorted(times)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def spread(values: Sequence[float]) -> float:
    """The middle half's width over the median: 0 where all are alike."""
    low, middle, high = (percentile(values, share) for share in (0.25, 0.5, 0.75))
    return (high - low) / middle


def values(times: Sequence[float], span: float = VALUE_MS) -> list[float]:
    """Means over consecutive ``times`` that make up ``span`` together; a remainder is left out.

    Fewer than one span gives the mean of all.
    """
    found, group = [], []
    for each in times:
        group.append(each)
        if sum(group) >= span:
            found.append(statistics.fmean(group))
            group = []
    return found or [statistics.fmean(times)]


def summary(times: Sequence[float]) -> Summary:
    """Figures of ``times`` (ms, at least one)."""
    grouped = values(times)
    return Summary(
        median_ms=percentile(times, 0.5),
        p90_ms=percentile(times, 0.9),
        p95_ms=percentile(times, 0.95),
        p99_ms=percentile(times, 0.99),
        min_ms=min(times),
        max_ms=max(times),
        mean_ms=statistics.fmean(grouped),
        deviation_ms=statistics.stdev(grouped) if len(grouped) > 1 else 0.0,
        values_ms=tuple(grouped),
        unstable=tuple(unstable(times, grouped)),
    )


def unstable(times: Sequence[float], grouped: Sequence[float]) -> list[str]:
    """Why the ``grouped`` values of ``times`` may be unstable: pyperf's rules, as sentences."""
    reasons = []
    mean = statistics.fmean(grouped)
    if len(grouped) < FEWEST_VALUES:
        reasons.append(f"only {len(grouped)} values of {VALUE_MS:.0f} ms: measure for longer")
    if len(grouped) > 1 and (share := statistics.stdev(grouped) / mean) >= MOST_DEVIATION:
        reasons.append(f"the standard deviation is {share:.0%} of the mean")
    for word, extreme in (("minimum", min(grouped)), ("maximum", max(grouped))):
        away = (extreme - mean) / mean
        if abs(away) >= MOST_EXTREME:
            reasons.append(
                f"the {word} is {abs(away):.0%} {'below' if away < 0 else 'above'} the mean of the values"
            )
    if sum(times) < SHORTEST_VALUE_MS:
        reasons.append(f"all queries together last only {sum(times):.3f} ms")
    return reasons


def ratio_interval(
    before: Sequence[float], after: Sequence[float], draws: int = 4000, seed: int = 1
) -> tuple[float, float, float]:
    """The ratio of the medians, after / before, and its 95 % interval by the bootstrap (Efron, 1979)."""
    random = np.random.default_rng(seed)
    first, second = np.asarray(before, float), np.asarray(after, float)
    drawn = [np.median(random.choice(each, (draws, len(each))), axis=1) for each in (first, second)]
    low, high = np.percentile(drawn[1] / drawn[0], [2.5, 97.5])
    return float(np.median(second) / np.median(first)), float(low), float(high)


def rounded(table: Any, digits: int = 4) -> Any:
    """The same nested tables and lists with floats rounded, tuples as lists: what goes into a record."""
    if isinstance(table, float):
        return round(table, digits)
    if isinstance(table, Mapping):
        return {key: rounded(value, digits) for key, value in table.items()}
    if isinstance(table, (list, tuple)):
        return [rounded(value, digits) for value in table]
    return table
