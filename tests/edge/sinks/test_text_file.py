"""Readings at the end of a file: what was there stays, and what is ours is whole."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from edge.errors import SinkError
from edge.results import Box, Face, FrameReadings, Reading
from edge.sink import Target, open_sink
from edge.sinks.json_lines import as_line, is_half
from edge.sinks.text_file import TextFile
from edge.source import Frame
from tests.edge.sinks.test_lines import room

LINE = "x" * 99 + "\n"
FRAME = Frame("cam", 0, 0.0, np.zeros((48, 64, 3), np.uint8))
READING = Reading(Face(Box(1, 2, 3, 4), 0.9), {"happiness": 1.0}, "happiness", (), 1)
RESULT = FrameReadings("cam", 0, 0.0, 64, 48, (READING,))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def lose(sink: TextFile, times: int) -> None:
    """Lines for which there is no room."""
    for _ in range(times):
        with pytest.raises(SinkError, match="File too large"):
            sink.write(LINE)


@pytest.mark.parametrize("head", ["", "a,b\n"])
def test_a_full_disk_does_not_put_aside_what_is_below_the_limit(tmp_path: Path, head: str) -> None:
    file = tmp_path / "o"
    sink = TextFile(str(file), 1000, head)
    for _ in range(8):
        sink.write(LINE)
    with room(850):
        lose(sink, 50)
    assert names(tmp_path) == ["o"] and file.read_text() == head + 8 * LINE
    sink.write(LINE)
    sink.close()
    assert names(tmp_path) == ["o"] and file.read_text() == head + 9 * LINE


@pytest.mark.parametrize("head", ["", "a,b\n"])
def test_a_disk_that_is_full_when_a_file_was_put_aside_keeps_that_and_costs_no_head(
    tmp_path: Path, head: str
) -> None:
    file, aside = tmp_path / "o", tmp_path / "o.1"
    sink = TextFile(str(file), 950, head)
    for _ in range(9):
        sink.write(LINE)
    with room(0):
        lose(sink, 50)
    assert aside.read_text() == head + 9 * LINE and file.read_text() in ("", head)
    sink.write(LINE)
    sink.close()
    assert aside.read_text() == head + 9 * LINE and file.read_text() == head + LINE


@contextmanager
def no_more_files() -> Iterator[None]:
    """No file can be opened beside those that are."""
    before, held = resource.getrlimit(resource.RLIMIT_NOFILE), []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        with suppress(OSError):
            while True:
                held.append(os.dup(0))
        yield
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_file_that_cannot_be_begun_anew_is_asked_for_again(tmp_path: Path) -> None:
    file, aside = tmp_path / "o", tmp_path / "o.1"
    sink = TextFile(str(file), 150)
    sink.write(LINE)
    with no_more_files():
        for _ in range(3):
            with pytest.raises(SinkError, match="cannot write '.*/o': Too many open files"):
                sink.write(LINE)
    sink.write(LINE)
    sink.close()
    assert (aside.read_text(), file.read_text()) == (LINE, LINE)


def test_a_file_that_cannot_be_put_aside_stays_within_its_limit(tmp_path: Path) -> None:
    file, aside = tmp_path / "o", tmp_path / "o.1"
    sink = TextFile(str(file), 150)
    sink.write(LINE)
    aside.mkdir()
    for _ in range(2):
        with pytest.raises(SinkError, match="cannot put '.*/o' aside: Is a directory"):
            sink.write(LINE)
    assert file.read_text() == LINE
    aside.rmdir()
    sink.write(LINE)
    sink.close()
    assert (aside.read_text(), file.read_text()) == (LINE, LINE)


def test_a_line_longer_than_the_limit_puts_no_empty_file_aside(tmp_path: Path) -> None:
    sink = TextFile(str(tmp_path / "o"), 50, "a,b\n")
    sink.write(LINE)
    sink.close()
    assert names(tmp_path) == ["o"]


def test_a_table_that_somebody_empties_gets_its_head_again(tmp_path: Path) -> None:
    sink = TextFile(str(tmp_path / "o"), head="a,b\n")
    sink.write("1,2\n")
    (tmp_path / "o").write_text("")
    sink.write("3,4\n")
    sink.close()
    assert (tmp_path / "o").read_text() == "a,b\n3,4\n"


def test_a_file_called_like_standard_output_is_not_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").write_text("mine")
    sink = TextFile("-", 50, "a,b\n")
    sink.write(LINE)
    sink.write(LINE)
    sink.close()
    assert capfd.readouterr().out == "a,b\n" + 2 * LINE
    assert names(tmp_path) == ["-"] and (tmp_path / "-").read_text() == "mine"


MINE = {
    "a record": b'{"mine": 1}',
    "a record of another ferlite": b'{"schema": 1, "kind": "bench"}',
    "a list": b'[{"schema": 1,\n  "source": 2}]',
    "notes": b"one\ntwo",
    "Latin-1": b"caf\xe9",
}


@pytest.mark.parametrize("case", MINE)
@pytest.mark.parametrize("kind", ["jsonl", "csv", "table"])
def test_a_file_of_somebody_else_loses_nothing(kind: str, case: str, tmp_path: Path) -> None:
    """JSON lines and tables begin below it, and rows have no place under it."""
    file = tmp_path / "own"
    file.write_bytes(MINE[case])
    target = Target(str(file), ("happiness",))
    if kind == "csv":
        with pytest.raises(SinkError, match="does not begin as this output does: give another file"):
            open_sink(kind, target)
        assert file.read_bytes() == MINE[case]
        return
    sink = open_sink(kind, target)
    sink.write(FRAME, RESULT)
    sink.close()
    begin, end = file.read_bytes()[: len(MINE[case]) + 1], file.read_bytes()[len(MINE[case]) + 1 :]
    assert begin == MINE[case] + b"\n"
    assert end.count(b"\n") == 1 and end.endswith(b"\n")


def test_every_half_of_a_json_line_is_known_and_a_whole_one_is_kept(tmp_path: Path) -> None:
    line = as_line(RESULT).encode()
    assert all(is_half(line[:end]) for end in range(1, len(line) - 1))
    assert not is_half(line[:-1])
    file = tmp_path / "o.jsonl"
    for end in (1, 40, len(line) - 2, len(line) - 1):
        file.write_bytes(line + line[:end])
        sink = open_sink("jsonl", Target(str(file)))
        sink.write(FRAME, RESULT)
        sink.close()
        assert file.read_bytes() == line * (3 if end == len(line) - 1 else 2)


def test_every_row_that_was_cut_short_is_taken_away_and_one_that_lacks_its_end_alone_stays(
    tmp_path: Path,
) -> None:
    file, target = tmp_path / "o.csv", Target(str(tmp_path / "o.csv"), ("happiness",))
    open_sink("csv", target).close()
    head = file.read_bytes()
    sink = open_sink("csv", target)
    sink.write(FRAME, RESULT)
    sink.close()
    whole = file.read_bytes()
    all_cells = len(head) + whole[len(head) :].rindex(b",") + 1
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        sink = open_sink("csv", target)
        assert file.read_bytes() == (head if end < all_cells else whole[:end]), f"after {end} bytes"
        sink.write(FRAME, RESULT)
        sink.close()
        before = whole[:end] + b"\n" if end >= all_cells else head
        assert file.read_bytes() == before + whole[len(head) :]


def test_the_zeros_that_a_power_cut_leaves_go_from_a_table_too(tmp_path: Path) -> None:
    file = tmp_path / "readings.txt"
    file.write_bytes(b"one\nhalf a li" + bytes(4096))
    sink = open_sink("table", Target(str(file), ("happiness",)))
    sink.write(FRAME, RESULT)
    sink.close()
    assert file.read_bytes().startswith(b"one\nhalf a li\n") and b"\0" not in file.read_bytes()
