"""One progress line on standard error, and only where somebody is looking."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import TextIO


class Progress:
    """Counts work done against a total (0: unknown) and redraws one line at most ten times a second.

    Writes to standard error, and only where that is a terminal: a log gets no control characters. Of "bytes"
    it tells megabytes.
    """

    def __init__(
        self, what: str, total: int = 0, unit: str = "", start: int = 0, stream: TextIO | None = None
    ):
        self._what, self._total, self._unit = what, total, unit
        self._start, self._done = start, start
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._began = time.monotonic()
        self._drawn = 0.0

    def advance(self, count: int = 1, note: str = "") -> None:
        """``count`` more units are done."""
        self._done += count
        now = time.monotonic()
        if self._shown and (now - self._drawn > 0.1 or self._done == self._total):
            self._drawn = now
            self._draw(now, note)

    def _draw(self, now: float, note: str) -> None:
        pace = (self._done - self._start) / max(1e-6, now - self._began)
        total = f"/{self._amount(self._total)}" if self._total else ""
        unit = "MB" if self._unit == "bytes" else self._unit
        parts = [f"{self._what} {self._amount(self._done)}{total} {unit}".rstrip()]
        if self._total:
            full = round(20 * self._done / self._total)
            parts.append(f"[{'#' * full}{'.' * (20 - full)}]")
            left = (self._total - self._done) / pace if pace > 0 else 0
            parts.append(f"{int(left // 60)}:{int(left % 60):02d} left")
        parts.append(f"{pace / 2**20:.1f} MB/s" if self._unit == "bytes" else f"{pace:.3g}/s")
        line = "  ".join([*parts, note]).rstrip()
        width = shutil.get_terminal_size().columns - 1
        self._stream.write("\r" + line[:width].ljust(width))
        self._stream.flush()

    def _amount(self, count: int) -> str:
        return f"{count / 2**20:.1f}" if self._unit == "bytes" else str(count)

    def clear(self) -> None:
        """Wipe the line, so that a message can be printed where it stood."""
        if self._shown and self._drawn:
            self._stream.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
            self._stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()
