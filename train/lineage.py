"""Where weights come from: what a run began with, and the networks that taught it.

Checkpoints, bundle.json and build.json keep it as texts: ``init`` (digests apart by blanks), ``teachers``
(a name and digests each, apart by semicolons) and, of weights between two others, ``blend``. Nothing else
writes or reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Taught:
    """A network that taught: its recipe's name, its file's sha256, and the digests of its own starts."""

    name: str
    sha256: str
    starts: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As files keep it."""
        return " ".join((self.name, self.sha256, *self.starts))


@dataclass(frozen=True)
class Lineage:
    """``starts``: sha256 of the weights that a run began with, then of what those began with in turn.

    None: it began with weights drawn at random. ``teachers``: who taught it. ``blend``: of which files its
    weights are a mean, and how much of each; "": of none.
    """

    starts: tuple[str, ...] = ()
    teachers: tuple[Taught, ...] = ()
    blend: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """As files keep it."""
        told = {"init": " ".join(self.starts), "teachers": "; ".join(map(str, self.teachers))}
        return told | ({"blend": self.blend} if self.blend else {})


NOTHING_KNOWN = Lineage()


def read(saved: Mapping[str, Any]) -> Lineage:
    """The lineage that a file's table tells of; what it does not say, or says otherwise, is empty."""
    keys = ("init", "teachers", "blend")
    init, teachers, blend = (text if isinstance(text, str) else "" for text in map(saved.get, keys))
    rows = (row.split() for row in teachers.split(";"))
    return Lineage(
        tuple(init.split()),
        tuple(Taught(row[0], row[1], tuple(row[2:])) for row in rows if len(row) > 1),
        blend,
    )
