"""What of an archive is done: a folder that says whose readings it has, and of which files.

    OUT/run.json          what all readings were made with
    OUT/done.jsonl        a line a task: its part, and each file by name, size, time and sha256
    OUT/parts/ab/*.parquet

A part is there whole or not at all, and counts once its line is written: what a killed run left without
one is taken away by the next. A file counts as done while its size and time are those of its line, or else
its sha256. Where one of a part's files has changed, the others' readings go to a part of their own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cluster.archive.find import Item
from cluster.archive.rows import keep
from cluster.lease import OURS, Lease, held
from edge.errors import DataInvalid, StorageFailed, UsageError
from edge.files import read_json, reason, write_json, write_text
from edge.sinks.lines import LineWriter
from edge.strict import fill

SCHEMA = 1
RUN, DONE, PARTS = "run.json", "done.jsonl", "parts"


@dataclass(frozen=True)
class FileDone:
    """A file that was read: what it was then, what it gave, and what was wrong with it."""

    name: str
    size: int
    mtime_ns: int
    sha256: str
    frames: int
    faces: int
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartDone:
    """A task that was done: its part below PARTS, its files, and which ``worker`` took how long."""

    part: str
    files: tuple[FileDone, ...]
    seconds: float = 0.0
    worker: str = ""


@dataclass
class Ledger:
    """The folder of one archive, ours alone until it is closed. Open it with ``opened``."""

    folder: Path
    lease: Lease
    _parts: dict[str, PartDone] = field(default_factory=dict)
    _files: dict[str, tuple[str, FileDone]] = field(default_factory=dict)
    _kept: dict[str, str] = field(default_factory=dict)  # new parts, and those that their rows are in yet
    _log: LineWriter | None = None

    def state(self, item: Item) -> FileDone | None:
        """What is known of a file that is done and still what it was; None where it is to be read."""
        known = self._files.get(item.name)
        return known[1] if known else None

    def part_of(self, item: Item) -> Path:
        """Where the readings of a file that is done are."""
        return self.folder / PARTS / self._files[item.name][0]

    def add(self, done: PartDone) -> None:
        """A task was done; its part is there. Raises SinkError."""
        assert self._log is not None
        self._log.write(_line(done))
        self._take(done)

    def forget_changed(self, items: Iterable[Item]) -> int:
        """Forget what is known of files that have changed, so that they are read again; how many.

        The other files of their parts stay done, those that are gone or were not asked for among them.
        """
        changed: dict[str, set[str]] = {}
        for item in items:
            known = self._files.get(item.name)
            if known is None:
                continue
            part, before = known
            now = _now(item, before)
            if now is None:
                changed.setdefault(part, set()).add(item.name)
            elif now != before:
                files = tuple(now if one.name == item.name else one for one in self._parts[part].files)
                self._take(replace(self._parts[part], files=files))
        for part, names in changed.items():
            self._forget(part, names)
        return sum(map(len, changed.values()))

    def begin(self) -> None:
        """Write what is known and take away what is not. Raises DataInvalid, StorageFailed, SinkError."""
        parts = self.folder / PARTS
        for new, old in self._kept.items():
            keep(parts / old, parts / new, {one.name for one in self._parts[new].files})
        self._kept.clear()
        write_text(self.folder / DONE, "".join(map(_line, self._parts.values())))
        try:
            parts.mkdir(exist_ok=True)
            for path in parts.rglob("*"):
                if path.is_file() and str(path.relative_to(parts)) not in self._parts:
                    path.unlink()
        except OSError as error:
            raise StorageFailed(f"cannot write to '{parts}': {reason(error)}") from error
        self._log = LineWriter(str(self.folder / DONE), append=True)

    def close(self) -> None:
        """Let go of the file."""
        if self._log is not None:
            self._log.close()

    def _forget(self, part: str, names: set[str]) -> None:
        """Nothing is known of the files ``names`` of a part; what else is in it is another part's."""
        before = self._parts.pop(part)
        for name in names:
            self._files.pop(name)
        rest = tuple(one for one in before.files if one.name not in names)
        if rest:
            new = part_name([one.name for one in rest])
            self._kept[new] = part
            self._take(replace(before, part=new, files=rest))

    def _take(self, done: PartDone) -> None:
        self._parts[done.part] = done
        for one in done.files:
            self._files[one.name] = (done.part, one)


@contextlib.contextmanager
def opened(folder: Path, made_with: Mapping[str, Any]) -> Iterator[Ledger]:
    """The archive in ``folder``, new or of a run that was made with the same.

    Raises UsageError for a folder of another run, or one that is in use, DataInvalid and StorageFailed.
    """
    _refuse_foreign(folder, made_with)
    with held(folder) as lease:
        if not (folder / RUN).exists():
            write_json(folder / RUN, {"schema": SCHEMA, **made_with})
        ledger = Ledger(folder, lease)
        for done in _read(folder / DONE):
            if (folder / PARTS / done.part).is_file():
                ledger._take(done)
        try:
            yield ledger
        finally:
            ledger.close()


def _refuse_foreign(folder: Path, made_with: Mapping[str, Any]) -> None:
    """Raise UsageError unless the folder is new, or of a run that was made with the same."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"'{folder}' is a file: give a folder with --out")
    if not (folder / RUN).exists():
        if folder.is_dir() and any(entry.name not in OURS for entry in folder.iterdir()):
            raise UsageError(f"'{folder}' has other files in it: give a new folder with --out")
        return
    there = read_json(folder / RUN, UsageError)
    if not isinstance(there, dict) or there.pop("schema", None) != SCHEMA:
        raise UsageError(f"'{folder}' was written by another ferlite: give another --out")
    here = json.loads(json.dumps(dict(made_with)))
    for key in {**there, **here}:
        if there.get(key) != here.get(key):
            raise UsageError(
                f"'{folder}' has readings of another run: its {key} is {_short(there.get(key))}, not "
                f"{_short(here.get(key))}; give another --out"
            )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _now(item: Item, before: FileDone) -> FileDone | None:
    """The file as it is now, its readings being those of ``before``; None where it is another."""
    try:
        facts = os.stat(item.path)  # noqa: PTH116
        if (facts.st_size, facts.st_mtime_ns) == (before.size, before.mtime_ns):
            return before
        if facts.st_size == before.size and digest(item.path) == before.sha256:
            return replace(before, mtime_ns=facts.st_mtime_ns)
    except OSError:
        return before  # it is gone; what it showed when it was there is still so
    return None


def part_name(names: Sequence[str]) -> str:
    """Where the part of these files lies: two letters of a digest as its folder, so that none has a million
    files.
    """
    digest = hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape")).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(names[0]).stem)[:60]
    more = f"-and-{len(names) - 1}-more" if len(names) > 1 else ""
    return f"{digest[:2]}/{stem}{more}-{digest[:16]}.parquet"


def digest(path: str) -> str:
    """Sha256 of a file in hex. Raises OSError."""
    with open(path, "rb") as file:  # noqa: PTH123
        sha256 = hashlib.sha256()
        while piece := file.read(1 << 20):
            sha256.update(piece)
    return sha256.hexdigest()


def _line(done: PartDone) -> str:
    return json.dumps(asdict(done)) + "\n"


def _read(path: Path) -> Iterator[PartDone]:
    """The lines of a ledger, less a last one that is cut short. Raises DataInvalid."""
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield fill(PartDone, json.loads(line), f"'{path}': line {number}", DataInvalid)
    except OSError as error:
        raise DataInvalid(f"cannot read '{path}': {reason(error)}") from error
    except ValueError as error:
        if isinstance(error, DataInvalid):
            raise
        raise DataInvalid(f"'{path}' is damaged: line {number} is not JSON") from error
