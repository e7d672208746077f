"""Files written whole or not at all, and read with care: the one place for all packages.

Whoever looks sees the old content or the new, never half of it, even where the power fails or the disk is
full. What is no plain file (``/dev/stdout``, a pipe) is written to as it is: nothing may take its place.
"""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edge.errors import DataInvalid, FerliteError, StorageFailed, UsageError

Error = Callable[[str], FerliteError]
LONGEST_NAME = 255  # bytes, on every file system that boards have
HIDDEN, NEW, OLD = ".ferlite-part-", "new", "old"  # a folder in the making, and what it takes the place of


@contextmanager
def whole(path: Path, error: Error = StorageFailed, keep_suffix: bool = False) -> Iterator[Path]:
    """A file beside ``path`` to write to; it takes the place of ``path`` when the block ends well.

    ``keep_suffix``: for writers that tell the format by the name's end. A link is followed, and the mode of
    what stood there kept. Raises ``error``, of the block's OSErrors too, having left ``path`` as it was.
    """
    try:
        if path.exists() and not path.is_file():
            if path.is_dir():
                raise error(f"cannot write '{path}': it is a folder")
            yield path
            return
        target = path.resolve()
        part = part_of(target, keep_suffix)
        try:
            yield part
            _to_disk(part)
            if target.exists():
                shutil.copymode(target, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except FerliteError:
        raise  # some of ours are OSErrors too, and say what failed
    except OSError as problem:
        raise error(f"cannot write '{path}': {reason(problem)}") from problem


def refuse_same(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> None:
    """Raise UsageError where an output is an input, or another output: by their files, not their names.

    None is what was not asked for. To be called before anything is opened.
    """
    read, written = [path for path in inputs if path], [path for path in outputs if path]
    for index, path in enumerate(written):
        if any(same_file(path, other) for other in read):
            raise UsageError(f"'{path}' is read in this run: give another file to write to")
        if any(same_file(path, other) for other in written[:index]):
            raise UsageError(f"'{path}' would be written to twice: give two files")


def same_file(one: Path, other: Path) -> bool:
    """Whether both names are of one file, or would be."""
    with suppress(OSError, ValueError):
        if one.exists() and other.exists():
            return one.samefile(other)
        return one.resolve() == other.resolve()
    return False


def part_of(path: Path, keep_suffix: bool = False) -> Path:
    """The name beside ``path`` that its content has until it is whole; hidden, and no longer than may be."""
    end = f".part{path.suffix}" if keep_suffix else ".part"
    name = f".{path.stem if keep_suffix else path.name}"
    room = LONGEST_NAME - len(os.fsencode(end))
    return path.with_name(os.fsdecode(os.fsencode(name)[:room]) + end)


def write_bytes(path: Path, content: bytes, error: Error = StorageFailed) -> None:
    """Write a file whole or not at all. Raises ``error``."""
    with whole(path, error) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str, error: Error = StorageFailed) -> None:
    """``write_bytes`` for text, as UTF-8. Raises ``error``."""
    write_bytes(path, text.encode(), error)


def write_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """``write_text`` for a value as JSON, on one line without ``indent``. Raises StorageFailed."""
    write_text(path, json.dumps(value, indent=indent) + "\n")


def write_folder(place: Path, content: Mapping[str, bytes]) -> None:
    """Write files into a folder that appears whole, in the place of an older one, or not at all.

    A writer that was killed after it took the old folder away and before it brought the new one leaves the
    old one hidden; the next that writes beside it puts that back. Raises OSError.
    """
    import tempfile  # every run reads files, and few write folders

    if not place.parent.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(place.parent) as alone:
        for left in place.parent.glob(f"{HIDDEN}*") if alone else ():
            with suppress(OSError):
                _clear(left)
        hidden = Path(tempfile.mkdtemp(prefix=HIDDEN, dir=place.parent))
        part, old = hidden / NEW, hidden / OLD
        try:
            part.mkdir()
            old.mkdir()
            for name, data in content.items():
                (part / name).write_bytes(data)
                _to_disk(part / name)
            if place.exists():
                place.replace(old / place.name)
            part.replace(place)
        finally:
            _clear(hidden)


@contextmanager
def _alone_in(folder: Path) -> Iterator[bool]:
    """Wait until nobody else writes a folder into this one; False where the disk knows no locks."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            alone = True
        except OSError:
            alone = False
        yield alone
    finally:
        os.close(handle)


def _clear(hidden: Path) -> None:
    """Remove a writer's hidden folder; an old folder that nothing came in the place of goes back there.

    What is another person's, a link, or not as a writer leaves it stays as it is.
    """
    inside = list(hidden.iterdir()) if _is_own_folder(hidden) else [hidden]
    if not {path.name for path in inside} <= {NEW, OLD} or not all(map(_is_own_folder, inside)):
        return
    olds = list((hidden / OLD).glob("*"))
    if len(olds) > 1:
        return
    for old in olds:
        if not (place := hidden.parent / old.name).exists():
            old.replace(place)
    shutil.rmtree(hidden, ignore_errors=True)


def _is_own_folder(path: Path) -> bool:
    """Whether it is a folder itself, no link to one, of the one who runs this."""
    about = path.lstat()
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()


def read_text(path: Path, error: Error = DataInvalid) -> str:
    """A text file's content: UTF-8, a byte order mark being no part of it. Raises ``error``."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise error(f"'{path}' cannot be read: {reason(problem)}") from problem
    except ValueError as problem:
        raise error(f"'{path}' cannot be read: it is not UTF-8 text") from problem


def read_json(path: Path, error: Error = DataInvalid) -> Any:
    """What a JSON file holds. Raises ``error``."""
    return parse_json(read_text(path, error), f"'{path}'", error)


def parse_json(content: str | bytes, where: str, error: Error = DataInvalid) -> Any:
    """What JSON text says, a byte order mark being no part of it; ``where`` names it. Raises ``error``."""
    try:
        return json.loads(content.removeprefix(codecs.BOM_UTF8) if isinstance(content, bytes) else content)
    except RecursionError as problem:
        raise error(f"{where} is not JSON that can be read: it is nested too deeply") from problem
    except ValueError as problem:
        raise error(f"{where} is not JSON: {problem}") from problem


def read_record(path: Path, kind: str, schema: int, command: str) -> dict[str, Any]:
    """A JSON record with the keys ``kind`` and ``schema``, which ``command`` writes. Raises DataInvalid."""
    record = read_json(path)
    if not isinstance(record, dict) or record.get("kind") != kind:
        raise DataInvalid(f"'{path}' is not a record of '{command}'")
    if record.get("schema") != schema:
        raise DataInvalid(f"'{path}' has schema {record.get('schema')!r}, and this ferlite reads {schema}")
    return record


def reason(problem: OSError) -> str:
    """Why the system refused, without the number and the name that Python adds."""
    return problem.strerror or str(problem) or type(problem).__name__


def _to_disk(path: Path) -> None:
    """Wait until the file's content is on the disk: a rename may otherwise get there first."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
