"""What tests let workers do: functions of a module, as tasks must be."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from cluster.parcels import Parcel, find
from cluster.work import kept_here
from edge.errors import DataInvalid, WorkerRefuses


class _Odd(Exception):
    """One that cannot be pickled."""


def double(number: int) -> int:
    if number < -1:
        raise _Odd(lambda: number)
    if number < 0:
        raise DataInvalid(f"{number} is below 0")
    return 2 * number


def die(order: tuple[str, int]) -> int:
    """Note that it ran, and kill the worker as long as it ran no more often than ``times``."""
    notes, times = order
    with Path(notes).open("a") as file:
        file.write("ran\n")
    if len(Path(notes).read_text().splitlines()) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def refuse(notes: str) -> int:
    """The worker that gets here first refuses, then and always."""
    try:
        with Path(notes).open("x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        pass
    while not (first := Path(notes).read_text()):
        continue
    if first == str(os.getpid()):
        raise WorkerRefuses("cannot write '/full': No space left on device")
    return os.getpid()


def weigh(parcel: Parcel) -> int:
    """The bytes of a parcel's file as it is here."""
    return len(find(parcel, kept_here()).read_bytes())
