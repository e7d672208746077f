"""Text to a file, a pipe or a terminal in whole lines, whatever ends the process.

A line is one write: what kills the process comes before it or after it. (The kernel may cut one short where a
kill meets a line that crosses a page, or the power fails; ``append`` takes such an end away when the next run
begins.) A disk that fills up in the middle of a line gets that line taken away again.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from pathlib import Path

from edge.errors import SinkError

STANDARD_OUTPUT = "-"
# A pipe that poll(2) calls ready has room for this much (pipe(7)): a longer line goes in pieces.
PIECE = select.PIPE_BUF
TAIL = 1 << 16  # bytes of a file that are looked through at once for the last line's end


class LineWriter:
    """Writes lines to ``target``, a path or "-" for standard output.

    ``append``: to what is there, less a last line without an end. ``patient``: wait for a slow reader; else
    a line that would have to wait is refused, so that whoever calls can go on. Raises SinkError.
    """

    def __init__(self, target: str, *, append: bool = False, patient: bool = True) -> None:
        self.name = "standard output" if target == STANDARD_OUTPUT else f"'{target}'"
        self._patient, self._rest = patient, b""
        self._stream: io.TextIOBase | None = None
        self._owned = target != STANDARD_OUTPUT
        try:
            self._descriptor = _open(Path(target), append) if self._owned else sys.stdout.fileno()
        except io.UnsupportedOperation:  # a notebook's standard output is no file
            self._descriptor, self._stream = -1, sys.stdout  # type: ignore[assignment]
            return
        except OSError as error:
            raise SinkError(f"cannot write '{target}': {error.strerror}") from error
        mode = os.fstat(self._descriptor).st_mode
        self._plain = stat.S_ISREG(mode) and self._owned
        self._poll = None if self._plain or patient else select.poll()
        if self._poll is not None:
            self._poll.register(self._descriptor, select.POLLOUT)
        self.empty = self._plain and os.fstat(self._descriptor).st_size == 0

    def write(self, line: str) -> None:
        """One line or several, each with its end. Raises SinkError where they are lost, BrokenPipeError."""
        if self._stream is not None:
            self._stream.write(line)
            self._stream.flush()
            return
        if not self._owned:
            sys.stdout.flush()  # what others printed stands before it
        if self._rest and not self._push():
            raise SinkError(f"{self.name} is read too slowly")
        # A name that is not UTF-8 has stand-ins, which no encoder takes but this one.
        self._rest = line.encode("utf-8", "surrogateescape")
        whole = len(self._rest)
        if not self._push() and len(self._rest) == whole:
            self._rest = b""
            raise SinkError(f"{self.name} is read too slowly")

    def close(self) -> None:
        """Finish the line that a slow reader has half of, and close the file."""
        if self._rest:
            self._poll = None
            try:
                self._push()
            except (SinkError, BrokenPipeError):
                self._rest = b""
        if self._owned and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _push(self) -> bool:
        """Write the rest, as far as it goes without waiting; whether that was all."""
        done = 0
        # Nowhere else while it is written: a signal that comes between the write and its booking raises, and
        # close must not write the line again.
        rest, self._rest = self._rest, b""
        while rest:
            if self._poll is not None and not self._poll.poll(0):
                self._rest = rest
                return False
            try:
                count = os.write(self._descriptor, rest if self._poll is None else rest[:PIECE])
            except BrokenPipeError:
                raise
            except BlockingIOError:  # another program that shares it made it so
                if not self._patient:
                    self._rest = rest
                    return False
                select.select([], [self._descriptor], [])
                continue
            except OSError as error:
                self._take_back(done)
                raise SinkError(f"cannot write to {self.name}: {error.strerror}") from error
            rest, done = rest[count:], done + count
        return True

    def _take_back(self, count: int) -> None:
        """Leave no half line: ``count`` bytes of it are in the file."""
        if self._plain and count:
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            os.ftruncate(self._descriptor, end - count)


def _open(path: Path, append: bool) -> int:
    # O_APPEND in both cases: who rotates the file by truncating it finds the next line at its beginning.
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND | (0 if append else os.O_TRUNC)
    descriptor = os.open(path, flags, 0o666)
    if append and stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.ftruncate(descriptor, _end_of_last_line(path))
    return descriptor


def _end_of_last_line(path: Path) -> int:
    """Where the file's last whole line ends, 0 where it has none."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - TAIL)
            file.seek(begin)
            at = file.read(end - begin).rfind(b"\n")
            if at >= 0:
                return begin + at + 1
            end = begin
    return 0
