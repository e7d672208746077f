"""What a way out could not pass on, counted and said: at once, now and then, and at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping

from edge.errors import FerliteError, SinkError

SAID_EVERY = 60.0  # seconds


class Losses:
    """Counts the frames that the way out called ``what`` lost, also into ``counts``; tells ``complain``."""

    def __init__(
        self,
        what: str,
        complain: Callable[[FerliteError], None],
        counts: MutableMapping[str, int] | None = None,
        every: float = SAID_EVERY,
    ) -> None:
        self._what, self._complain, self._every = what, complain, every
        self._counts = {} if counts is None else counts
        self._counts.setdefault(what, 0)
        self._why, self._said, self._said_count = "", float("-inf"), 0

    @property
    def count(self) -> int:
        """Frames lost ever."""
        return self._counts[self._what]

    def lost(self, why: str, frames: int = 1) -> None:
        """So many frames more, because of ``why``."""
        self._counts[self._what] += frames
        self._why = why
        now = time.monotonic()
        if now - self._said >= self._every:
            self._said, self._said_count = now, self.count
            self._complain(SinkError(f"{self._what}: {_frames(self.count)} lost so far: {why}"))

    def close(self) -> None:
        """The end: say how many there were, unless that was said just now."""
        if self.count > self._said_count:
            self._said_count = self.count
            self._complain(SinkError(f"{self._what}: {_frames(self.count)} lost in all: {self._why}"))


def _frames(count: int) -> str:
    return f"{count:,} frame{'s' * (count != 1)}"
