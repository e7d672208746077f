"""How well movements were spotted, as the spotting challenges of MEGC count it.

A spotted interval is right where it shares at least half of what it and a true one cover together, each
true one counting once; counts are added over all films before F1 is taken (See et al., "MEGC 2019", FG 2019;
Li et al., "MEGC 2020", FG 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 0.5


@dataclass(frozen=True)
class Interval:
    """Seconds; ``apex`` None where nobody said it."""

    onset: float
    offset: float
    apex: float | None = None

    def overlap(self, other: Interval) -> float:
        """Intersection over union in time, 0-1."""
        common = min(self.offset, other.offset) - max(self.onset, other.onset)
        whole = max(self.offset, other.offset) - min(self.onset, other.onset)
        return max(0.0, common) / whole if whole > 0 else 0.0


@dataclass(frozen=True)
class Counts:
    """Of spotted intervals: ``right`` and ``false`` ones; ``missed``: of true ones."""

    right: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.right + other.right, self.false + other.false, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """Right ones of the spotted, 0 where none was spotted."""
        return self.right / max(1, self.right + self.false)

    @property
    def recall(self) -> float:
        """Right ones of the true, 0 where there is none."""
        return self.right / max(1, self.right + self.missed)

    @property
    def f1(self) -> float:
        """The harmonic mean of both, 0-1."""
        return 2 * self.right / max(1, 2 * self.right + self.false + self.missed)


def matched(spotted: Sequence[Interval], true: Sequence[Interval], least: float = LEAST) -> dict[int, int]:
    """Which spotted interval (its index) is which true one: the greatest overlaps first, each once."""
    pairs = sorted(
        ((one.overlap(other), i, j) for i, one in enumerate(spotted) for j, other in enumerate(true)),
        key=lambda pair: -pair[0],
    )
    found: dict[int, int] = {}
    for share, i, j in pairs:
        if share >= least and i not in found and j not in found.values():
            found[i] = j
    return found


def counted(spotted: Sequence[Interval], true: Sequence[Interval], least: float = LEAST) -> Counts:
    """The counts of one film."""
    right = len(matched(spotted, true, least))
    return Counts(right, len(spotted) - right, len(true) - right)
