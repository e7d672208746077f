"""Text that grows record by record, on standard output or at the end of a file; what was there stays."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edge.errors import SinkError
from edge.files import reason
from edge.sinks.lines import STANDARD_OUTPUT, LineWriter


class TextFile:
    """Appends whole lines. ``head`` is the first line of every file, and of standard output.

    At ``limit`` bytes the file is put aside as FILE.1, in the place of the one before, and begun anew
    (0: never). ``patient``: a slow reader is waited for; else what it would hold up is refused. Raises
    SinkError, of a file that begins with another line than ``head`` too.
    """

    def __init__(self, place: str, limit: int = 0, head: str = "", *, patient: bool = True) -> None:
        self._place, self._limit, self._head, self._patient = place, limit, head, patient
        if place == STANDARD_OUTPUT and sys.stdout is None:
            raise SinkError("standard output is closed: there is nowhere to print readings")
        self._open()
        self.name = self._lines.name

    def write(self, record: str) -> None:
        """Send a record, a line or several, on its way at once. Raises SinkError, BrokenPipeError."""
        # A name that is not UTF-8 is still a name: its odd bytes are shown as escapes.
        text = record if record.isascii() else record.encode("utf-8", "backslashreplace").decode()
        if self._limit:
            self._put_aside_before(len(text.encode()))
        self._lines.write(text)

    def close(self) -> None:
        """Close the file, if it is one."""
        self._lines.close()

    def _open(self) -> None:
        self._refuse_other(Path(self._place))
        self._lines = LineWriter(self._place, append=True, patient=self._patient)
        if self._head and (self._lines.empty or not Path(self._place).is_file()):
            self._lines.write(self._head)
        self._size = Path(self._place).stat().st_size if self._limit and Path(self._place).is_file() else 0

    def _refuse_other(self, path: Path) -> None:
        """Rows under the columns of another table are worth nothing to either."""
        if not self._head or self._place == STANDARD_OUTPUT or not path.is_file():
            return
        try:
            with path.open("rb") as file:
                first = file.readline()
        except OSError as error:
            raise SinkError(f"cannot add to '{path}': {reason(error)}") from error
        if first.endswith(b"\n") and first != self._head.encode():
            raise SinkError(f"'{path}' does not begin as this output does: give another file")

    def _put_aside_before(self, coming: int) -> None:
        self._size += coming
        if self._size <= self._limit or not Path(self._place).is_file():
            return
        self._lines.close()
        try:
            os.replace(self._place, f"{self._place}.1")  # noqa: PTH105 - Path cannot add to a name's end
        except OSError as error:
            raise SinkError(f"cannot put '{self._place}' aside: {reason(error)}") from error
        self._open()
        self._size += coming
