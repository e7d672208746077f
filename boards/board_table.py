"""The board table: for every board and engine, whether it was measured on hardware, emulated, or never run.

A figure comes from a board or not at all: an emulated record that carries one is refused. Beside it stand the
long tests that need no board, each with what it found and the command that repeats it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from boards import profile
from boards.engines import EngineName
from boards.errors import ProfileInvalid
from boards.profile import Profile
from edge.files import read_text
from edge.strict import fill, read_toml, within

FILE = Path(__file__).parent / "records.toml"
NOT_RUN = "not run"
_KINDS = {"measured": "measured on hardware", "emulated": "emulated"}


@dataclass(frozen=True)
class Record:
    """One run. ``fps`` is frames per second over the whole pipeline, and 0 where nothing was timed."""

    board: str
    engine: EngineName
    kind: Literal["measured", "emulated"]
    date: datetime.date
    versions: str
    result: str
    command: str
    fps: float = field(default=0.0, metadata=within(0, 100_000))


@dataclass(frozen=True)
class Proof:
    """One long test that was run to its end on a PC."""

    what: str
    date: datetime.date
    versions: str
    result: str
    command: str


def load(path: Path = FILE) -> list[Record]:
    """Read a file's records. Raises ProfileInvalid."""
    return [_record(values, where) for values, where in _tables(path, "record")]


def proofs(path: Path = FILE) -> list[Proof]:
    """Read a file's proofs. Raises ProfileInvalid."""
    return [fill(Proof, values, where, ProfileInvalid) for values, where in _tables(path, "proof")]


def _tables(path: Path, kind: Literal["record", "proof"]) -> list[tuple[Any, str]]:
    """The tables of a kind, each with what to call it in a message."""
    text = read_text(path, ProfileInvalid)
    tables = read_toml(text, f"records '{path}'", ("record", "proof"), ProfileInvalid).get(kind, [])
    if not isinstance(tables, list):
        raise ProfileInvalid(f"records '{path}': '{kind}' must be tables, as in [[{kind}]]")
    return [(values, f"records '{path}': {kind} {n}") for n, values in enumerate(tables, 1)]


def _record(values: dict[str, Any], where: str) -> Record:
    record = fill(Record, values, where, ProfileInvalid)
    if record.board not in profile.names():
        raise ProfileInvalid(f"{where}: unknown board '{record.board}': choose {', '.join(profile.names())}")
    if record.fps and record.kind != "measured":
        raise ProfileInvalid(
            f"{where}: an {record.kind} run has no speed: only a measured record may carry fps"
        )
    return record


def cell(board: Profile, engine: str, records: Sequence[Record]) -> str:
    """What is known of one engine on one board; measured outranks emulated, and newer older."""
    if engine not in {choice.name for choice in board.engine}:
        return "-"
    found = [one for one in records if one.board == board.id and one.engine == engine]
    if not found:
        return NOT_RUN
    best = max(found, key=lambda one: (one.kind == "measured", one.date))
    speed = f", {best.fps:g} frames/s" if best.fps else ""
    return f"{_KINDS[best.kind]} {best.date}: {best.result}{speed}"


def rows(records: Sequence[Record]) -> list[dict[str, str]]:
    """One row a board, its engines' cells by name."""
    boards = profile.load_all()
    return [
        {"board": board.name, **{engine: cell(board, engine, records) for engine in get_args(EngineName)}}
        for board in boards
    ]


def proofs_markdown(found: Sequence[Proof]) -> str:
    """README's list of what was proved without a board."""
    return "\n".join(
        f"- {one.what}, {one.date} ({one.versions}): {one.result}. `{one.command}`" for one in found
    )


def markdown(records: Sequence[Record]) -> str:
    """The table for README."""
    table = rows(records)
    names = list(table[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row.values())} |" for row in table)])
