"""Text to a file, a pipe or a terminal in whole lines, whatever ends the process.

A line is one write: what kills the process comes before it or after it. (The kernel may cut one short where a
kill meets a line that crosses a page, or the power fails; ``append`` takes such an end away when the next run
begins.) A disk that fills up in the middle of a line gets that line taken away again. Where half a line
has to stay, the next one begins below it.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from edge.errors import SinkError

STANDARD_OUTPUT = "-"
# A pipe that poll(2) calls ready has room for this much (pipe(7)): a longer line goes in pieces.
PIECE = select.PIPE_BUF
TAIL = 1 << 16  # bytes of a file that are looked through at once for the last line's end
LONGEST = 1 << 24  # bytes; no line that was begun here is longer
HEAD = 8000  # bytes of a file that has a zero byte among them if it is no text, as Git has it
Half = Callable[[bytes], bool]


class LineWriter:
    """Writes lines to ``target``, a path or "-" for standard output.

    ``append``: to what is there. A last line without an end is taken away where ``half`` says that it is the
    beginning of one of ours, and is ended otherwise. ``patient``: wait for a slow reader; else a line that
    would have to wait is refused, so that whoever calls can go on. Raises SinkError, of a file that is no
    text too.
    """

    def __init__(
        self,
        target: str,
        *,
        append: bool = False,
        half: Half = lambda tail: False,
        patient: bool = True,
    ) -> None:
        self.name = "standard output" if target == STANDARD_OUTPUT else f"'{target}'"
        self._patient, self._rest = patient, b""
        self._sent = 0  # bytes of the line in hand that are out
        self._gap = b""  # what ends the half line that the next one comes after
        self._stream: io.TextIOBase | None = None
        self._owned, self._plain = target != STANDARD_OUTPUT, False
        try:
            if self._owned:
                self._descriptor, self._gap = _open(Path(target), append, half)
            else:
                self._descriptor = sys.stdout.fileno()
        except io.UnsupportedOperation:  # a notebook's standard output is no file
            self._descriptor, self._stream = -1, sys.stdout  # type: ignore[assignment]
            return
        except SinkError:
            raise
        except OSError as error:
            raise SinkError(f"cannot write '{target}': {error.strerror}") from error
        self._plain = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._poll = None if self._plain or patient else select.poll()
        if self._poll is not None:
            self._poll.register(self._descriptor, select.POLLOUT)

    @property
    def size(self) -> int | None:
        """Bytes that the file holds; None for standard output and for what is no plain file."""
        return os.fstat(self._descriptor).st_size if self._plain and self._owned else None

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
        self._rest, self._sent = self._gap + line.encode("utf-8", "surrogateescape"), 0
        if not self._push() and not self._sent:
            self._rest = b""
            raise SinkError(f"{self.name} is read too slowly")
        self._gap = b""

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
                if self._sent and not self._takes_back():
                    self._gap = b"\n"
                raise SinkError(f"cannot write to {self.name}: {error.strerror}") from error
            rest, self._sent = rest[count:], self._sent + count
        return True

    def _takes_back(self) -> bool:
        """Take what there is of the line in hand out of the file again; whether that could be done."""
        if not self._plain:
            return False
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if os.fstat(self._descriptor).st_size != end:
            return False  # another program that shares it has written behind it
        try:
            os.ftruncate(self._descriptor, end - self._sent)
        except OSError:
            return False
        # Standard output goes on where it stood, unless it was opened to append.
        os.lseek(self._descriptor, end - self._sent, os.SEEK_SET)
        return True


def _open(path: Path, append: bool, half: Half) -> tuple[int, bytes]:
    """A descriptor, and what the first line must begin with so that it is a line of its own."""
    # O_APPEND in both cases: who rotates the file by truncating it finds the next line at its beginning.
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND | (0 if append else os.O_TRUNC)
    descriptor = os.open(path, flags, 0o666)
    if not append or not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor, b""
    try:
        with path.open("rb") as file:
            stays, ended = _what_stays(file, half)
        if stays != os.fstat(descriptor).st_size:
            os.ftruncate(descriptor, stays)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, b"" if ended else b"\n"


def _what_stays(file: BinaryIO, half: Half) -> tuple[int, bool]:
    """How many bytes of the file stay, and whether they end with a line's end. Raises SinkError."""
    no_text = SinkError(f"cannot add to '{file.name}': it is no text: give another file")
    head = file.read(HEAD)
    if b"\0" in head.rstrip(b"\0") and not half(head):
        raise no_text
    size = file.seek(0, os.SEEK_END)
    begin = _end_of_last_line(file, size)
    if size - begin > LONGEST:
        return size, False
    file.seek(begin)
    tail = file.read()
    cut = tail.rstrip(b"\0")  # a power cut leaves zero bytes at the end
    if not cut or half(cut) or half(tail):
        return begin, True
    if cut != tail and not _is_text(cut):
        raise no_text
    return begin + len(cut), False


def _is_text(line: bytes) -> bool:
    """Whether it could be the beginning of a line of text: a last character may be cut short."""
    return all(each.isprintable() or each in "\t\r" for each in line.decode("utf-8", "replace"))


def _end_of_last_line(file: BinaryIO, end: int) -> int:
    """Where the file's last whole line ends, 0 where it has none."""
    while end:
        begin = max(0, end - TAIL)
        file.seek(begin)
        at = file.read(end - begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0
