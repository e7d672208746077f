"""The board table: it claims no more than its records, and no figure for a board nobody has run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from boards import board_table, cli, profile
from boards.errors import ProfileInvalid

GOOD = board_table.FILE.read_text(encoding="utf-8")


def changed(old: str, new: str, folder: Path) -> Path:
    assert old in GOOD
    path = folder / "records.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    return path


def test_every_board_has_a_row_and_says_no_more_than_its_records() -> None:
    known = board_table.load()
    table = board_table.markdown(known).splitlines()
    assert len(table) == len(profile.names()) + 2
    for line, board in zip(table[2:], profile.load_all(), strict=True):
        assert line.startswith(f"| {board.name} |")
        if not any(one.board == board.id for one in known):
            assert "measured" not in line and "emulated" not in line and "not run" in line
        if not any(one.board == board.id and one.kind == "measured" for one in known):
            assert "frames/s" not in line


def test_an_emulated_board_is_one_that_can_be_emulated() -> None:
    from boards import emulate

    for one in board_table.load():
        if one.kind == "emulated":
            assert emulate.system_for(profile.load(one.board))
            assert profile.load(one.board).cpu.core in one.versions


def test_measured_outranks_emulated(tmp_path: Path) -> None:
    path = changed('kind = "emulated"', 'kind = "measured"\nfps = 21.5', tmp_path)
    cell = board_table.cell(profile.load("rpi-3bp"), "tflite", board_table.load(path) + board_table.load())
    assert re.fullmatch(r"measured on hardware 2026-11-23: .*, 21\.5 frames/s", cell)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "emulated"', 'kind = "emulated"\nfps = 30.0', "an emulated run has no speed"),
        ('kind = "emulated"', 'kind = "guessed"', "'kind' is 'guessed', and must be measured, emulated"),
        ('engine = "onnx"', 'engine = "caffe"', "'engine' is 'caffe', and must be onnx, tflite, openvino"),
        ('board = "rpi-3bp"', 'board = "rpi-9"', "unknown board 'rpi-9'"),
        ('board = "rpi-3bp"', 'bord = "rpi-3bp"', "unknown key 'bord'"),
        ('board = "rpi-3bp"', "", "key 'board' is missing"),
        ("date = 2026-11-23", 'date = "today"', "'date' is 'today', and must be a date"),
        ('kind = "emulated"', 'kind = "measured"\nfps = nan', "'fps' is nan, and must be a number"),
        ('kind = "emulated"', 'kind = "measured"\nfps = -1.0', "'fps' is -1.0, and must be 0 to 100000"),
        ("schema = 1", "schema = 2", "schema 2 is not 1"),
        ("schema = 1", "schema", "records '"),
    ],
)
def test_a_record_that_claims_too_much(old: str, new: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileInvalid) as caught:
        board_table.load(changed(old, new, tmp_path))
    assert says in str(caught.value)


def test_every_command_names_a_test_that_is_there() -> None:
    for one in (*board_table.load(), *board_table.proofs()):
        found = re.search(r"tests/boards/test_\w+\.py", one.command)
        assert found and (board_table.FILE.parents[1] / found[0]).is_file(), one.command


def test_a_proof_says_what_was_run(tmp_path: Path) -> None:
    path = tmp_path / "records.toml"
    good = (
        'schema = 1\n[[proof]]\nwhat = "w"\ndate = 2026-11-23\nversions = "v"\nresult = "r"\ncommand = "c"\n'
    )
    path.write_text(good)
    assert board_table.proofs_markdown(board_table.proofs(path)) == "- w, 2026-11-23 (v): r. `c`"
    path.write_text("schema = 1\nproof = 3\n")
    with pytest.raises(ProfileInvalid, match=r"'proof' must be tables, as in \[\[proof\]\]"):
        board_table.proofs(path)
    for change, says in (("fps = 3", "unknown key 'fps'"), ("", "key 'command' is missing")):
        path.write_text(good.replace('command = "c"', change))
        with pytest.raises(ProfileInvalid, match=f"proof 1: {says}"):
            board_table.proofs(path)


def test_as_a_user_types_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["table"]) == 0
    assert capsys.readouterr().out.startswith("| board | onnx | tflite | openvino |\n")
