"""Progress on standard error: a line that redraws itself on a terminal, single lines in a log."""

from __future__ import annotations

import shutil
import sys
import time


class Transfer:
    """Counts bytes sent against a total, redrawing at most ten times a second and only on a terminal."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._began = self._drawn = time.monotonic()

    def advance(self, count: int) -> None:
        """``count`` more bytes are on their way."""
        self._done += count
        now = time.monotonic()
        if sys.stderr.isatty() and (now - self._drawn > 0.1 or self._done >= self._total):
            self._drawn = now
            full = round(20 * self._done / max(1, self._total))
            pace = self._done / max(1e-6, now - self._began) / 2**20
            line = (f"{self._what} {self._done / 2**20:.1f}/{self._total / 2**20:.1f} MB "
                    f"[{'#' * full}{'.' * (20 - full)}] {pace:.1f} MB/s")  # fmt: skip
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write("\r" + line[:width].ljust(width) + ("\n" if self._done >= self._total else ""))
            sys.stderr.flush()


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)
