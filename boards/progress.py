"""What ``ferlite boards`` says on the way, on standard error: standard output is for results."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_speaker: ContextVar[str] = ContextVar("speaker", default="")


def say(text: str) -> None:
    """One line."""
    speaker = _speaker.get()
    print(f"{speaker}: {text}" if speaker else text, file=sys.stderr, flush=True)


@contextmanager
def speaking_for(name: str) -> Iterator[None]:
    """Begin every line of this thread with a board's name, as several are worked on at once."""
    token = _speaker.set(name)
    try:
        yield
    finally:
        _speaker.reset(token)
