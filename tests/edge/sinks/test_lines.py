"""Whole lines whatever happens: a full disk, a slow reader, one that leaves, and kill -9."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.errors import SinkError
from edge.sinks.lines import LineWriter


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may grow beyond ``size`` bytes: writes come up short and then fail, as on a full disk."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1][1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before[1])
        signal.signal(signal.SIGXFSZ, before[0])


def test_a_full_disk_takes_whole_lines_or_none_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    file = tmp_path / "out"
    writer = LineWriter(str(file))
    with room(25):
        writer.write("0123456789\n")
        writer.write("abcdefghij\n")
        for _ in range(3):
            with pytest.raises(SinkError, match=rf"cannot write to '{file}': File too large"):
                writer.write("ABCDEFGHIJ\n")
            assert file.read_text() == "0123456789\nabcdefghij\n", "half a line was left"
    writer.write("last\n")
    writer.close()
    assert file.read_text() == "0123456789\nabcdefghij\nlast\n"


def test_a_device_that_is_full_is_one_sentence() -> None:
    writer = LineWriter("/dev/full", patient=False)
    with pytest.raises(SinkError, match="cannot write to '/dev/full': No space left on device"):
        writer.write("x\n")
    writer.close()
    with pytest.raises(SinkError, match="cannot write '/no/such/folder': No such file"):
        LineWriter("/no/such/folder")


HALF = {
    "nothing": (b"", b""),
    "a whole line": (b'{"a": 1}\n', b'{"a": 1}\n'),
    "half a line of ours": (b'{"a": 1}\n{"b', b'{"a": 1}\n'),
    "half a line of ours alone": (b"{", b""),
    "a long half of ours": (b"whole\n{" + b"x" * 200_000, b"whole\n"),
    "what a power cut left of ours": (b"whole\n{x" + b"\0" * 9000, b"whole\n"),
    "nothing but zero bytes": (b"\0" * 9000, b""),
    "nothing but zero bytes after a line": (b"whole\n" + b"\0" * 9000, b"whole\n"),
    "a line of somebody else": (b"my notes", b"my notes\n"),
    "a long one": (b"whole\n" + b"x" * 200_000, b"whole\n" + b"x" * 200_000 + b"\n"),
}


@pytest.mark.parametrize("case", HALF)
def test_appending_takes_half_a_line_of_ours_away_and_ends_that_of_somebody_else(
    tmp_path: Path, case: str
) -> None:
    file, (before, after) = tmp_path / "out", HALF[case]
    file.write_bytes(before)
    writer = LineWriter(str(file), append=True, half=lambda tail: tail.startswith(b"{"))
    assert writer.size == len(after.removesuffix(b"\n") if after == before + b"\n" else after)
    writer.write("new\n")
    writer.write("next\n")
    writer.close()
    assert file.read_bytes() == after + b"new\nnext\n"


def test_a_line_of_somebody_else_is_not_touched_where_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_bytes(b"my notes")
    LineWriter(str(file), append=True).close()
    assert file.read_bytes() == b"my notes"


def test_a_full_disk_leaves_the_line_of_somebody_else_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_bytes(b"my notes")
    writer = LineWriter(str(file), append=True)
    with room(12), pytest.raises(SinkError, match="File too large"):
        writer.write("0123456789\n")
    assert file.read_bytes() == b"my notes"
    writer.write("new\n")
    writer.close()
    assert file.read_bytes() == b"my notes\nnew\n"


@pytest.mark.parametrize("content", [b"\x7fELF\2\1\1\0\0\0", b"PK\3\4\0\0 one\ntwo", b"\0\n\0 x"])
def test_what_is_no_text_is_not_added_to(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "out"
    file.write_bytes(content)
    with pytest.raises(SinkError, match=r"cannot add to '.*/out': it is no text: give another file"):
        LineWriter(str(file), append=True)
    assert file.read_bytes() == content


# Written to standard output by a program of its own, whose files may not grow beyond 25 bytes for a while.
PRINTS = """
import resource, signal, sys
from edge.errors import SinkError
from edge.sinks.lines import LineWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = LineWriter("-")
writer.write("0123456789\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, (25, resource.RLIM_INFINITY))
for _ in range(3):
    try:
        writer.write("abcdefghijklmnopqrst\\n")
    except SinkError as error:
        print(error, file=sys.stderr)
    else:
        sys.exit("there was room")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.write("last\\n")
"""


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("wb", b"", b"0123456789\nlast\n"),
        ("ab", b"one\n", b"one\n0123456789\nlast\n"),
        # What comes behind is not ours to cut, and the half line gets an end.
        ("r+b", b"." * 60, b"0123456789\nabcdefghijklmn\nlast\n" + b"." * 29),
    ],
)
def test_a_full_disk_under_standard_output_leaves_whole_lines(
    tmp_path: Path, mode: str, before: bytes, after: bytes
) -> None:
    file = tmp_path / "out"
    file.write_bytes(before)
    with file.open(mode) as out:
        done = subprocess.run(
            [sys.executable, "-c", PRINTS], stdout=out, stderr=subprocess.PIPE, check=False, text=True
        )
    assert (done.returncode, done.stderr) == (0, 3 * "cannot write to standard output: File too large\n")
    assert file.read_bytes() == after


def test_a_file_that_somebody_rotates_by_emptying_it_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "out"
    writer = LineWriter(str(file))
    writer.write("one\n")
    os.truncate(file, 0)
    writer.write("two\n")
    writer.close()
    assert file.read_bytes() == b"two\n"


@pytest.mark.parametrize("size", [20, 3000, 50_000])
def test_a_slow_reader_costs_whole_lines_and_no_time(tmp_path: Path, size: int) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = LineWriter(str(fifo), patient=False)
    lines = [f"{index:06d} {'x' * size}\n" for index in range(200_000 // size + 10)]
    began, written = time.monotonic(), []
    for line in lines:
        try:
            writer.write(line)
            written.append(line)
        except SinkError as error:
            assert "is read too slowly" in str(error)
    assert time.monotonic() - began < 20
    assert 0 < len(written) < len(lines)
    seen = b""

    def take() -> bytes:
        try:
            return os.read(reader, 1 << 20)
        except BlockingIOError:
            return b""

    while part := take():  # the reader wakes up, and the next line gets through after the one in hand
        seen += part
    for _ in range(100):
        try:
            writer.write("end\n")
            break
        except SinkError:
            seen += take()
    while part := take():
        seen += part
    writer.close()
    os.close(reader)
    assert seen.decode().splitlines(keepends=True) == [*written, "end\n"]


def test_a_patient_writer_waits_and_loses_nothing(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", f"exec < {fifo}; sleep 0.5; wc -l"], stdout=subprocess.PIPE) as slow:
        writer = LineWriter(str(fifo))
        for _ in range(20_000):
            writer.write("0123456789\n")
        writer.close()
        assert slow.stdout is not None
        assert int(slow.stdout.read()) == 20_000


def test_a_reader_that_leaves_is_a_broken_pipe(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = LineWriter(str(fifo), patient=False)
    os.close(reader)
    for _ in range(2):
        with pytest.raises(BrokenPipeError):
            writer.write("x\n")
    writer.close()


def test_kill_9_leaves_whole_lines(tmp_path: Path) -> None:
    """Killed 25 times at any moment, always continuing the same file."""
    program = (
        "import json, sys; from edge.sinks.lines import LineWriter\n"
        "writer = LineWriter(sys.argv[1], append=True, half=lambda tail: True); index = 0\n"
        "print('up', flush=True)\n"
        "while True:\n"
        "    writer.write(json.dumps({'filling': 'x' * (index % 9000)}) + '\\n'); index += 1\n"
    )
    file, dice = tmp_path / "out.jsonl", random.Random(5)
    for _ in range(25):
        with subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(dice.uniform(0, 0.05))
            process.kill()
    LineWriter(str(file), append=True, half=lambda tail: True).close()
    content = file.read_bytes()
    assert content.endswith(b"\n") and content.count(b"\n") > 25
    for line in content.splitlines():
        json.loads(line)
