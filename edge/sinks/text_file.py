"""Text that grows record by record, on standard output or at the end of a file; what was there stays."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

from edge.errors import SinkError
from edge.files import reason
from edge.sinks.lines import STANDARD_OUTPUT, Half, LineWriter


class TextFile:
    """Appends whole lines. ``head`` is the first line of every file, and of standard output.

    At ``limit`` bytes the file is put aside as FILE.1, in the place of the one before, and begun anew
    (0: never). ``half`` knows a last line of ours that was cut short, which is taken away; below the own
    ``head`` all are. ``patient``: a slow reader is waited for; else what it would hold up is refused. Raises
    SinkError, of a file that begins with another line than ``head`` too.
    """

    def __init__(
        self,
        place: str,
        limit: int = 0,
        head: str = "",
        *,
        half: Half = lambda tail: False,
        patient: bool = True,
    ) -> None:
        self._place, self._limit, self._head = place, limit, head
        self._half, self._patient = half, patient
        if place == STANDARD_OUTPUT and sys.stdout is None:
            raise SinkError("standard output is closed: there is nowhere to print readings")
        lines = self._open()
        self._lines: LineWriter | None = lines
        self.name = lines.name
        if head and not lines.size:
            lines.write(head)

    def write(self, record: str) -> None:
        """Send a record, a line or several, on its way at once. Raises SinkError, BrokenPipeError."""
        # A name that is not UTF-8 is still a name: its odd bytes are shown as escapes.
        text = record if record.isascii() else record.encode("utf-8", "backslashreplace").decode()
        if self._lines is not None and self._is_full(self._lines, len(text.encode())):
            self._put_aside(self._lines)
        if self._lines is None:
            self._lines = self._open()
        if self._head and self._lines.size == 0:
            text = self._head + text
        self._lines.write(text)

    def close(self) -> None:
        """Close the file, if it is one."""
        if self._lines is not None:
            self._lines.close()

    def _open(self) -> LineWriter:
        half = self._half_below_head(Path(self._place)) if self._head else self._half
        return LineWriter(self._place, append=True, half=half, patient=self._patient)

    def _half_below_head(self, path: Path) -> Half:
        """What knows a last line of ours. Raises SinkError where the file begins with another than ``head``.

        Rows under the columns of another table are worth nothing to either.
        """
        head = self._head.encode()
        if self._place == STANDARD_OUTPUT or not path.is_file():
            return self._half
        try:
            with path.open("rb") as file:
                first = file.read(len(head)).rstrip(b"\0")
        except OSError as error:
            raise SinkError(f"cannot add to '{path}': {reason(error)}") from error
        if not head.startswith(first):
            raise SinkError(f"'{path}' does not begin as this output does: give another file")
        wide = len(next(csv.reader([self._head])))

        def cut_short(tail: bytes) -> bool:
            # A row that lacks nothing but its end stays: somebody edited the file.
            row = next(csv.reader([tail.decode("utf-8", "replace")]), [])
            return head.startswith(tail) or (first == head and len(row) < wide)

        return cut_short

    def _is_full(self, lines: LineWriter, coming: int) -> bool:
        """Whether the file holds readings, and at the limit has no room for ``coming`` bytes of more."""
        if not self._limit or not (size := lines.size):
            return False
        return size > len(self._head.encode()) and size + coming > self._limit and Path(self._place).is_file()

    def _put_aside(self, lines: LineWriter) -> None:
        try:
            os.replace(self._place, f"{self._place}.1")  # noqa: PTH105 - Path cannot add to a name's end
        except OSError as error:
            raise SinkError(f"cannot put '{self._place}' aside: {reason(error)}") from error
        lines.close()
        self._lines = None  # where it cannot be begun anew now, the next record asks again
