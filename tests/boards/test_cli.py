"""The command line: exit codes, where output goes, and JSON on every verb."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from boards import cli, errors
from edge.errors import FerliteError
from tests.boards import trees
from tests.boards.test_choice import make_bundle


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
    assert done.stderr.startswith("ferlite-boards: this is a 32-bit system")
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(run("probe", "--root", str(tmp_path), "--json").stdout)["board"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["probe", "--root", "/no/such/folder"], 2, "--root '/no/such/folder' is not a folder"),
        (["show", "rpi-9"], 1, "unknown board 'rpi-9'"),
        (["plan", "/no/such/bundle", "--board", "rpi-4b"], 1, "no bundle '/no/such/bundle'"),
        (["frobnicate"], 2, "invalid choice: 'frobnicate'"),
        (["show"], 2, "the following arguments are required: BOARD (see ferlite-boards show --help)"),
        (["probe", "--host", ""], 2, "argument --host: it is empty"),
        (["probe", "--roo", "/"], 2, "unrecognized arguments: --roo"),
    ],
)
def test_bad_input_gets_one_sentence_and_a_code(arguments: list[str], code: int, says: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_without_a_verb_it_says_what_there_is() -> None:
    done = run()
    assert done.returncode == 0
    for verb in ("list", "probe", "plan", "deploy", "flash", "deb", "emulate", "boot"):
        assert f"\n    {verb} " in done.stdout
    assert "Arm board" in done.stdout and "QEMU" in run("emulate", "--help").stdout
    assert run("--version").stdout.startswith("ferlite-boards ")


def test_what_needs_a_package_that_is_missing_says_which(tmp_path: Path) -> None:
    make_bundle(tmp_path, "onnx")
    code = (
        "import sys; sys.modules['packaging'] = None\n"
        "from boards import cli\n"
        "assert cli.main(['list']) == 0 and cli.main(['plan', sys.argv[1], '--board', 'rpi-4b']) == 0\n"
        "sys.exit(cli.main(['deb', sys.argv[1], '--board', 'rpi-4b']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "ferlite-boards: this needs the package packaging: pip install 'ferlite[boards]'\n"


@pytest.mark.parametrize("board", ["rpi-zero-2w", "intel-lnl"])
def test_show(board: str) -> None:
    done = run("show", board, "--json")
    assert json.loads(done.stdout)["id"] == board
    assert board in run("show", board).stdout


def test_list_as_text_and_json() -> None:
    ids = [one["id"] for one in json.loads(run("list", "--json").stdout)["boards"]]
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
            assert issubclass(error, FerliteError)


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "x" * 5000, "--board", "rpi-4b"],
        ["plan", "x\0y", "--board", "rpi-4b"],
        ["show", "x" * 5000 + ".toml"],
        ["probe", "--root", "x" * 5000],
        ["deb", "BUNDLE", "--board", "rpi-4b", "--offline", "--wheelhouse", __file__],
        ["deb", "BUNDLE", "--board", "rpi-4b", "--wheels", "x" * 5000],
        ["deb", "BUNDLE", "--board", "rpi-4b", "--offline", "--out", "/proc/x.deb", "--wheelhouse", "HOUSE"],
        ["flash", "BUNDLE", "--board", "rpi-4b", "--image", "x" * 5000, "--out", "y"],
        ["flash", "BUNDLE", "--board", "rpi-4b", "--image", "/proc/self/mem", "--out", "y"],
        [
            "flash",
            "BUNDLE",
            "--board",
            "jetson-orin-nano",
            "--out",
            "/proc/hook",
            "--offline",
            "--wheelhouse",
            "HOUSE",
        ],
        ["boot", "CARD", "--board", "rpi-4b", "--minutes", "nan"],
        ["boot", "CARD", "--board", "rpi-4b", "--minutes", "inf"],
        ["boot", "CARD", "--board", "rpi-4b", "--minutes", "-1"],
        ["boot", "CARD", "--board", "rpi-4b", "--console", "/proc/self/none/x"],
        ["boot", "CARD", "--board", "generic-x86-64"],
    ],
)
def test_nothing_that_is_typed_ends_in_a_traceback(
    words: list[str],
    tmp_path: Path,
    house: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "CARD").write_bytes(b"")
    (tmp_path / "HOUSE").symlink_to(house)
    make_bundle(tmp_path / "BUNDLE", "onnx", "tflite")
    assert cli.main(words) in (1, 2)
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("ferlite-boards: ") and "unexpected" not in said[-1]


def test_no_home_and_an_unknown_user(tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle", "onnx")
    code = (
        "import os, pwd, sys\n"
        "from boards.cli_verb import cache_folder\n"
        "os.environ.pop('HOME'); os.environ.pop('XDG_CACHE_HOME', None)\n"
        "os.setuid(4242) if os.geteuid() == 0 else sys.exit('skip')\n"
        "cache_folder()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.stderr.strip() == "skip":
        pytest.skip("needs root to become a user whom nobody knows")
    assert "there is no home folder to keep downloads in: set XDG_CACHE_HOME" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.DeployFailed("x"), 1),
        (errors.UsageError("x"), 2),
        (RuntimeError("x"), 3),
        (OSError(28, "No space left on device", "/x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise error

    monkeypatch.setattr("boards.profile.load_all", fail)
    assert cli.main(["list"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == (0 if code == 130 else 1)
