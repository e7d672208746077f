"""The files of an archive: a folder's, a pattern's, a list's; pictures in batches, videos one by one."""

from __future__ import annotations

import glob
import importlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import FerliteError, SourceError, UsageError
from edge.files import reason
from edge.sources.address import file_of
from edge.sources.decode import SUFFIXES
from edge.sources.table import SOURCES

LIST = ".txt"
FILES = ("pictures", "pipe", "video")  # kinds of sources that are files; a pipe is told apart by its file


@dataclass(frozen=True)
class Item:
    """One file. ``name`` is what its readings call it, as a plain run would; ``index`` its place in the
    folder or pattern, which is the frame's number of a picture; ``path`` where it lies, wherever one stands.
    """

    name: str
    index: int
    path: str

    @classmethod
    def called(cls, name: str, index: int = 0) -> Item:
        """The file that this name has here."""
        return cls(name, index, os.path.abspath(name))  # noqa: PTH100 - Path's would follow links

    @property
    def looks_like_a_picture(self) -> bool:
        """By its name alone: what it is, whoever reads it decides by its first bytes."""
        return Path(self.name).suffix.lower() in SUFFIXES


def find(specs: Sequence[str]) -> tuple[list[Item], list[FerliteError]]:
    """The files that were typed, each once, and what is wrong with those that are none. Raises UsageError."""
    items: dict[str, Item] = {}
    errors: list[FerliteError] = []
    for spec in itertools.chain.from_iterable(map(_listed, specs)):
        for found in _files(spec):
            if isinstance(found, FerliteError):
                errors.append(found)
            else:
                items.setdefault(found.name, found)
    return list(items.values()), errors


def batches(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Tasks: so many pictures together, and any other file by itself."""
    pictures: list[Item] = []
    for item in items:
        if not item.looks_like_a_picture:
            yield (item,)
            continue
        pictures.append(item)
        if len(pictures) == size:
            yield tuple(pictures)
            pictures = []
    if pictures:
        yield tuple(pictures)


def _listed(spec: str) -> Iterator[str]:
    """What a list names, a line each, as seen from here; anything else is itself."""
    if not spec.lower().endswith(LIST) or not Path(spec).is_file():
        yield spec
        return
    try:
        lines = Path(spec).read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"cannot read list '{spec}': {reason(error)}") from error
    if not any(lines):
        raise UsageError(f"list '{spec}' is empty: give a file on each line")
    yield from (os.fsdecode(line) for line in lines if line)


def _files(spec: str) -> Iterator[Item | FerliteError]:
    spec = file_of(spec)
    path = Path(spec)
    try:
        if path.is_dir():
            entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
            if not entries:
                yield SourceError(f"folder '{spec}' has no files in it")
            yield from (_entry(entry, index) for index, entry in enumerate(entries))
        elif path.exists():
            yield Item.called(spec) if path.is_file() else _no_file(spec)
        elif names := sorted(name for name in glob.glob(spec, recursive=True) if Path(name).is_file()):
            yield from (Item.called(str(Path(name)), index) for index, name in enumerate(names))
        else:
            _refuse_live(spec)
            yield SourceError(f"no such file or folder: '{spec}'")
    except (OSError, ValueError) as error:
        if isinstance(error, FerliteError):
            raise
        yield SourceError(f"cannot read '{spec}': {getattr(error, 'strerror', None) or error}")


def _entry(entry: Path, index: int) -> Item | FerliteError:
    if entry.is_dir():
        return SourceError(
            f"folder '{entry}' inside the folder is not looked into: give '{entry.parent}/**' instead"
        )
    return Item.called(str(entry), index)


def _no_file(spec: str) -> FerliteError:
    return UsageError(f"'{spec}' is no file: --on reads files, and cameras and pipes without it")


def _refuse_live(spec: str) -> None:
    """Raise UsageError for what has no end, or is not everywhere."""
    for kind, module in SOURCES.items():
        if kind not in FILES and importlib.import_module(module).claims(spec):
            raise UsageError(f"'{spec}' is no file: --on reads files, and cameras and streams without it")
