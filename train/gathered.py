"""What a run's folder was gathered from, kept beside it: the same command goes on, and no other.

What is gathered once (faces that were marked, films that were made) is what the run learns from ever after,
so other files or other numbers ask for another folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import DataInvalid, UsageError
from edge.files import read_json, write_json
from train.digests import digest_of

NAME, SCHEMA = "gathered.json", 1


def hold(out: Path, kept: Sequence[str], files: Mapping[str, Path], numbers: Mapping[str, int]) -> None:
    """Write down what is to be gathered into ``out``, or hold it against what was: options and their values.

    ``kept`` are the names of what is gathered. A folder that has some of it and does not say of what is an
    older ferlite's, and goes on. Raises UsageError where another file or number was given then, DataInvalid
    and StorageFailed.
    """
    place = out / NAME
    begun = any((out / name).is_file() for name in kept)
    if begun and not place.is_file():
        return
    facts = {"schema": SCHEMA, **numbers, **{option: digest_of(path) for option, path in files.items()}}
    if not begun:
        write_json(place, facts)
        return
    before = read_json(place)
    if not isinstance(before, dict) or before.get("schema") != SCHEMA:
        raise DataInvalid(f"'{place}' was written by another ferlite: give another --out")
    for option, value in facts.items():
        if before.get(option) != value:
            told = f" {before.get(option)}, not {value}" if option in numbers else ""
            what = f"with {option}{told}" if told else f"with another {option}"
            raise UsageError(f"'{out}' was begun {what}: give another --out, or the same {option}")
