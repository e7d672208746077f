"""What a measurement's record begins with, and how it is kept: for all benchmarks, whatever they measure."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.files import write_json

RECORDS = Path(__file__).parent / "records"
UNSAID = ("--save", "--note", "--record", "--sheet")  # options that change nothing that is measured


def today() -> str:
    """The day in UTC, as YYYY-MM-DD."""
    return datetime.now(timezone.utc).date().isoformat()


def origin(module: str, words: Sequence[str] | None = None) -> dict[str, Any]:
    """The day, and the command that made the record: ``words``, or those that were typed.

    Files and folders stand there by their names, not by where they lay; options that only say where the
    record goes are left out.
    """
    said = _measuring(sys.argv[1:]) if words is None else words
    return {
        "date": today(),
        "command": shlex.join(["python", "-m", module, *map(_named, said)]),
    }


def save(record: Mapping[str, Any], place: Path | None, indent: int | None = 1) -> None:
    """Write the record as JSON, on one line without ``indent``; nothing where there is no place.

    Raises StorageFailed.
    """
    if place is not None:
        write_json(place, record, indent)


def _measuring(words: Sequence[str]) -> list[str]:
    kept, waits = [], False
    for word in words:
        if waits:
            waits = False
        elif word in UNSAID:
            waits = True
        elif not word.startswith(tuple(f"{option}=" for option in UNSAID)):
            kept.append(word)
    return kept


def _named(word: str) -> str:
    """A word with its file by its name: ``runs/a.pt`` and ``ARM=runs/a.pt`` alike."""
    label, sign, place = word.rpartition("=")
    if "/" in place and Path(place).exists():
        return f"{label}{sign}{Path(place).name}"
    return word
