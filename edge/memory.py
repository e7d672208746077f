"""What the C library does with this process's memory."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

M_ARENA_MAX = -8  # malloc.h of glibc


def one_arena() -> None:
    """Let all threads take their memory from one place, for a program that runs for months.

    glibc gives threads places of their own, and what a thread frees stays in its place. A camera that is
    opened again is opened in another thread than the first time: each place then keeps as much as a camera
    ever needed. Threads that wait for large computations seldom want memory at the same moment.
    MALLOC_ARENA_MAX, where it is set, holds; other C libraries have no such places. Call it before any
    thread is started: a place that is there already stays.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    with suppress(OSError, AttributeError, TypeError):  # no C library to ask, or one without mallopt
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
