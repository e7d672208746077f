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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b'{"a": 1}\n', b'{"a": 1}\n'),
        (b'{"a": 1}\n{"b', b'{"a": 1}\n'),
        (b"half", b""),
        (b"whole\n" + b"x" * 200_000, b"whole\n"),
    ],
)
def test_appending_begins_after_the_last_whole_line(tmp_path: Path, before: bytes, after: bytes) -> None:
    file = tmp_path / "out"
    file.write_bytes(before)
    writer = LineWriter(str(file), append=True)
    assert writer.empty == (after == b"")
    writer.write("new\n")
    writer.close()
    assert file.read_bytes() == after + b"new\n"


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
        "writer = LineWriter(sys.argv[1], append=True); index = 0\n"
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
    LineWriter(str(file), append=True).close()
    content = file.read_bytes()
    assert content.endswith(b"\n") and content.count(b"\n") > 25
    for line in content.splitlines():
        json.loads(line)
