"""A folder or a file in the hands of one process at a time, whatever ends that process."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from edge.errors import StorageFailed, UsageError
from edge.files import reason

NAME = ".lock"


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Let nobody else train in the run's folder ``out`` meanwhile; it is made where it is not there.

    Raises UsageError where somebody does, and StorageFailed.
    """
    with held(out / NAME, f"another run trains in '{out}': wait for that, or give another --out"):
        yield


@contextlib.contextmanager
def held(place: Path, refusal: str) -> Iterator[None]:
    """The lock file ``place`` for us alone, which goes at the end.

    Raises UsageError with the ``refusal`` where another has it, and StorageFailed.
    """
    with _opened(place) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(refusal) from error
        except OSError:
            pass  # a disk that knows no locks: whoever works there sees to it that nobody else does
        # Who had it may have taken it away between our opening it and our holding it.
        if not _is_there(file, place):
            raise UsageError(refusal)
        try:
            yield
        finally:
            # While it is still held: whoever opened this file before finds it held, or gone.
            with contextlib.suppress(OSError):
                place.unlink(missing_ok=True)


def _opened(place: Path) -> IO[str]:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.open("w")
    except OSError as error:
        raise StorageFailed(f"cannot write '{place}': {reason(error)}") from error


def _is_there(file: IO[str], place: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), place.stat())
    return False
