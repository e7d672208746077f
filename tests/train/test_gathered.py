"""What a folder was gathered from: the same goes on, other files and numbers are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import DataInvalid, UsageError
from train import gathered

KEPT = ("learn.npz", "test.npz")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run's folder, and beside it a file and a folder of data."""
    (tmp_path / "a.npz").write_bytes(b"a")
    (tmp_path / "faces" / "angry").mkdir(parents=True)
    (tmp_path / "faces" / "angry" / "1.png").write_bytes(b"1")
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def hold(out: Path, people: int = 6) -> None:
    files = {"--photos": out.parent / "a.npz", "--data": out.parent / "faces"}
    gathered.hold(out, KEPT, files, {"--people": people})


def test_the_same_files_and_numbers_go_on(out: Path) -> None:
    hold(out)
    (out / "learn.npz").write_bytes(b"gathered")
    before = (out / gathered.NAME).read_bytes()
    hold(out)
    assert (out / gathered.NAME).read_bytes() == before


def test_nothing_that_was_gathered_holds_nobody_to_anything(out: Path) -> None:
    hold(out, 6)
    hold(out, 7)
    (out / "learn.npz").write_bytes(b"gathered")
    with pytest.raises(UsageError, match="run' was begun with --people 7, not 6: give another --out, or the"):
        hold(out, 6)


@pytest.mark.parametrize(
    ("changed", "option"),
    [("a.npz", "--photos"), ("faces/angry/1.png", "--data"), ("faces/angry/2.png", "--data")],
)
def test_another_file_is_refused_by_its_option(out: Path, changed: str, option: str) -> None:
    hold(out)
    (out / "test.npz").write_bytes(b"gathered")
    (out.parent / changed).write_bytes(b"other")
    with pytest.raises(UsageError, match=f"was begun with another {option}: give another --out"):
        hold(out)


def test_a_file_under_another_name_is_another_of_a_folder(out: Path) -> None:
    hold(out)
    (out / "learn.npz").write_bytes(b"gathered")
    picture = out.parent / "faces" / "angry" / "1.png"
    picture.rename(picture.with_name("2.png"))
    with pytest.raises(UsageError, match="was begun with another --data"):
        hold(out)


def test_a_folder_of_before_this_was_written_down_goes_on(out: Path) -> None:
    (out / "learn.npz").write_bytes(b"gathered")
    hold(out)
    assert not (out / gathered.NAME).exists()


def test_what_is_not_there_and_what_is_damaged_are_named(out: Path) -> None:
    hold(out)
    (out / "learn.npz").write_bytes(b"gathered")
    (out / gathered.NAME).write_text("[]", encoding="utf-8")
    with pytest.raises(DataInvalid, match="json' was written by another ferlite: give another --out"):
        hold(out)
    (out.parent / "a.npz").unlink()
    with pytest.raises(DataInvalid, match=r"a.npz' cannot be read: No such file"):
        hold(out)
