from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import StorageFailed, UsageError
from quantize.workspace import Workspace, alone, write_folder


def test_a_second_build_into_the_same_place_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "bundle"
    with alone(out):
        with pytest.raises(UsageError, match=r"bundle' is being built already: wait for that"), alone(out):
            pytest.fail("two builds at once")
        with alone(tmp_path / "other"):
            pass
    assert list(out.parent.iterdir()) == []
    with alone(out):
        pass


def test_a_step_is_done_once_for_the_same_inputs_and_again_for_others(tmp_path: Path) -> None:
    calls = []

    def make() -> dict[str, bytes]:
        calls.append(1)
        return {"a.bin": bytes([len(calls)])}

    first = Workspace(tmp_path / "w", {"weights": "1"})
    assert first.files("step", {"recipe": "r"}, make)["a.bin"] == b"\x01"
    again = Workspace(tmp_path / "w", {"weights": "1"})
    assert again.files("step", {"recipe": "r"}, make)["a.bin"] == b"\x01"
    assert again.reused == ["step"]
    assert again.files("step", {"recipe": "s"}, make)["a.bin"] == b"\x02"
    assert (
        Workspace(tmp_path / "w", {"weights": "2"}).files("step", {"recipe": "r"}, make)["a.bin"] == b"\x03"
    )
    again.remove()
    assert not (tmp_path / "w").exists()


def test_what_somebody_else_put_into_the_folder_stays_when_the_steps_go(tmp_path: Path) -> None:
    work = Workspace(tmp_path / "w", {})
    work.files("step", {}, lambda: {"a": b"1"})
    (tmp_path / "w" / ".lock").touch()
    (tmp_path / "w" / "thesis-draft").mkdir()
    work.remove()
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == [".lock", "thesis-draft"]
    (tmp_path / "w" / "thesis-draft").rmdir()
    work.remove()
    assert not (tmp_path / "w").exists()
    work.remove()


def test_a_step_that_fails_leaves_nothing_that_could_be_taken_for_its_result(tmp_path: Path) -> None:
    work = Workspace(tmp_path / "w", {})

    def stopped() -> dict[str, bytes]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.files("step", {}, stopped)
    assert work.files("step", {}, lambda: {"a": b"1"}) == {"a": b"1"}


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    work = Workspace(tmp_path / "w", {})
    value = {"ratio": 0.1 + 0.2, "list": [1, None, "x"]}
    assert work.value("v", {}, lambda: value) == value
    assert work.value("v", {}, lambda: "never asked") == value


def test_a_folder_is_replaced_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "out"
    write_folder(place, {"a": b"1", "b": b"2"})
    write_folder(place, {"a": b"3"})
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {"a": b"3"}
    with pytest.raises(OSError):
        write_folder(place, {"a": b"4", "no/such/folder": b"5"})
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {"a": b"3"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    with pytest.raises(StorageFailed, match=r"cannot write '.*file/step-.*': Not a directory"):
        Workspace(tmp_path / "file", {}).files("step", {}, lambda: {"a": b"1"})
