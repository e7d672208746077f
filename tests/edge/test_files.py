"""Files that are written whole or not at all, and read with care."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge import files
from edge.errors import DataInvalid, SinkError, StorageFailed, UsageError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


NEEDS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def test_what_is_written_is_read_back_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_text(path, '{"wörd": 1}')
    assert files.read_json(path) == {"wörd": 1}
    files.write_bytes(path, b"[]")
    assert files.read_json(path) == []
    assert names(tmp_path) == ["a.json"]


def test_a_writer_that_fails_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="boom"), files.whole(path) as part:
        part.write_text("half")
        raise RuntimeError("boom")
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = (
        "import os, sys, pathlib; from edge import files\n"
        "with files.whole(pathlib.Path(sys.argv[1])) as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text() == "old"


def test_mode_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "a.txt", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to("a.txt")
    files.write_text(link, "new")
    assert link.is_symlink() and path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@NEEDS_FULL
def test_a_device_is_written_to_and_never_replaced() -> None:
    files.write_text(Path("/dev/null"), "gone")
    with pytest.raises(StorageFailed, match="cannot write '/dev/full': No space left on device"):
        files.write_text(Path("/dev/full"), "x")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode) and stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    files.write_text(pipe, "through")
    reader.join()
    assert got == ["through"] and pipe.is_fifo()


def test_what_cannot_be_written_is_one_sentence_of_the_callers_kind(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="No such file or directory"):
        files.write_text(tmp_path / "none" / "a", "x")
    with pytest.raises(SinkError, match="it is a folder"):
        files.write_text(tmp_path, "x", SinkError)
    with pytest.raises(StorageFailed, match="File name too long"):
        files.write_text(tmp_path / ("n" * 300), "x")


def test_the_longest_names_have_room_for_a_part(tmp_path: Path) -> None:
    for name in ("n" * 255, "ä" * 125 + ".mp4"):
        path = tmp_path / name
        files.write_text(path, "x")
        assert path.read_text() == "x"
        with files.whole(path, keep_suffix=True) as part:
            assert part.suffix == (path.suffix or ".part") and part != path
            part.write_text("y")
        assert path.read_text() == "y"


def test_an_output_that_is_an_input_or_another_output_is_refused(tmp_path: Path) -> None:
    path, link, other = tmp_path / "a.json", tmp_path / "l.json", tmp_path / "b.json"
    path.write_text("[]")
    link.symlink_to("a.json")
    files.refuse_same([other, None], [path, None, Path("0")])
    for outputs, inputs in (
        ([link], [path]),
        ([tmp_path / "x" / ".." / "a.json"], [link]),
        ([other, other], []),
    ):
        with pytest.raises(UsageError, match="give (another file|two files)"):
            files.refuse_same(outputs, inputs)


def test_a_folder_appears_whole_in_the_place_of_the_old_one(tmp_path: Path) -> None:
    files.write_folder(tmp_path / "f", {"a": b"1", "b": b"2"})
    files.write_folder(tmp_path / "f", {"a": b"3"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "f").iterdir()} == {"a": b"3"}
    with pytest.raises(OSError, match="nowhere"):
        files.write_folder(tmp_path / "f", {"nowhere/a": b"4"})
    assert (tmp_path / "f" / "a").read_bytes() == b"3" and names(tmp_path) == ["f"]


def test_folders_that_are_called_nearly_the_same_are_somebody_elses(tmp_path: Path) -> None:
    others = ("f.old", "f.part", ".f.part", ".ferlite-part-mine")
    for name in others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("the only copy")
    for _ in range(2):
        files.write_folder(tmp_path / "f", {"a": b"1"})
    assert [(tmp_path / name / "thesis.txt").read_text() for name in others] == ["the only copy"] * 4
    assert names(tmp_path) == sorted([*others, "f"])


def test_a_hidden_folder_that_is_a_link_or_holds_several_moves_nothing(tmp_path: Path) -> None:
    """Somebody else could have made it to have things moved."""
    victim = tmp_path / "victim"
    (victim / "papers").mkdir(parents=True)
    here = tmp_path / "here"
    for name in ("linked", "several"):
        (here / f".ferlite-part-{name}").mkdir(parents=True)
    (here / ".ferlite-part-linked" / "old").symlink_to(victim)
    (here / ".ferlite-part-link").symlink_to(victim)
    for name in ("a", "b"):
        (here / ".ferlite-part-several" / "old" / name).mkdir(parents=True)
    before = names(here)
    files.write_folder(here / "f", {"a": b"1"})
    assert names(here) == sorted([*before, "f"]) and names(victim) == ["papers"]


@pytest.mark.parametrize("before", [1, 2], ids=["before the old one is away", "before the new one is there"])
def test_a_writer_that_is_killed_between_two_folders_loses_neither(tmp_path: Path, before: int) -> None:
    """Killed at its first or second renaming; the next writer fails, and so brings nothing of its own."""
    files.write_folder(tmp_path / "f", {"a": b"old"})
    code = (
        "import os, pathlib, sys; from edge import files\n"
        "replace, calls = pathlib.Path.replace, []\n"
        "def killed(path, target):\n"
        "    calls.append(path)\n"
        "    os.kill(os.getpid(), 9) if len(calls) == int(sys.argv[2]) else replace(path, target)\n"
        "pathlib.Path.replace = killed\n"
        "files.write_folder(pathlib.Path(sys.argv[1]), {'a': b'new'})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "f"), str(before)], check=False)
    assert done.returncode == -9 and (tmp_path / "f").exists() == (before == 1)
    with pytest.raises(OSError, match="nowhere"):
        files.write_folder(tmp_path / "f", {"nowhere/a": b"4"})
    assert (tmp_path / "f" / "a").read_bytes() == b"old" and names(tmp_path) == ["f"]


def test_two_writers_of_one_folder_come_one_after_the_other(tmp_path: Path) -> None:
    failed: list[OSError] = []

    def write(content: bytes) -> None:
        try:
            for _ in range(50):
                files.write_folder(tmp_path / "f", {"a": content, "b": content})
        except OSError as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(content,)) for content in (b"1", b"2")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == [] and names(tmp_path) == ["f"]
    assert (tmp_path / "f" / "a").read_bytes() == (tmp_path / "f" / "b").read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_what_is_no_json_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataInvalid, match=said) as caught:
        files.read_json(tmp_path / "x.json")
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert files.read_json(tmp_path / "x.json") == [1]


def test_a_record_of_another_kind_is_refused(tmp_path: Path) -> None:
    files.write_text(tmp_path / "x.json", '{"kind": "tea", "schema": 2}')
    assert files.read_record(tmp_path / "x.json", "tea", 2, "kettle")["schema"] == 2
    with pytest.raises(DataInvalid, match="is not a record of 'oven'"):
        files.read_record(tmp_path / "x.json", "cake", 2, "oven")
    with pytest.raises(DataInvalid, match="has schema 2, and this ferlite reads 1"):
        files.read_record(tmp_path / "x.json", "tea", 1, "kettle")
