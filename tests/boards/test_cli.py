"""The command line: exit codes, where output goes, and JSON on every verb."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from boards import cli, errors
from tests.boards import trees


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "boards.cli", *arguments], capture_output=True, text=True, check=False
    )


def test_probe_of_a_recorded_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trees.write(tmp_path, trees.BOARDS["rpi-5"])
    assert cli.main(["probe", "--root", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["board"] == "rpi-5"
    assert facts["cpu"]["core"] == "Cortex-A76"


def test_a_refused_board_still_shows_what_it_is(tmp_path: Path) -> None:
    files = trees.raspberry("Raspberry Pi 4 Model B Rev 1.4", 0xC03114, 0xD08, trees.A53, arch="armhf")
    trees.write(tmp_path, files)
    done = run("probe", "--root", str(tmp_path))
    assert done.returncode == 1
    assert "armhf, 32-bit" in done.stdout
    assert done.stderr.startswith("ferlite boards: this is a 32-bit system")
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(run("probe", "--root", str(tmp_path), "--json").stdout)["board"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["probe", "--root", "/no/such/folder"], 2, "--root '/no/such/folder' is not a folder"),
        (["show", "rpi-9"], 1, "unknown board 'rpi-9'"),
        (["plan", "/no/such/bundle", "--board", "rpi-4b"], 1, "no bundle '/no/such/bundle'"),
        ([], 2, "required: VERB"),
        (["frobnicate"], 2, "invalid choice: 'frobnicate'"),
    ],
)
def test_bad_input_gets_one_sentence_and_a_code(arguments: list[str], code: int, says: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_errors_as_json_too() -> None:
    done = run("show", "rpi-9", "--json")
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"] == "BoardUnknown"


@pytest.mark.parametrize("board", ["rpi-zero-2w", "intel-lnl"])
def test_show(board: str) -> None:
    done = run("show", board, "--json")
    assert json.loads(done.stdout)["id"] == board
    assert board in run("show", board).stdout


def test_list_as_text_and_json() -> None:
    ids = [one["id"] for one in json.loads(run("list", "--json").stdout)]
    assert len(ids) >= 15
    assert [line.split()[0] for line in run("list").stdout.splitlines()] == ids


def test_every_error_has_two_parents_and_a_code() -> None:
    for error in vars(errors).values():
        if (
            isinstance(error, type)
            and issubclass(error, errors.BoardsError)
            and error is not errors.BoardsError
        ):
            standard = [base for base in error.__bases__ if not issubclass(base, errors.BoardsError)]
            assert len(standard) == 1 and issubclass(standard[0], Exception)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.DeployFailed("x"), 1),
        (errors.UsageError("x"), 2),
        (RuntimeError("x"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise error

    assert errors.exit_code(fail) == code
    assert capsys.readouterr().out == ""
