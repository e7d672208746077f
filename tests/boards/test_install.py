"""The installer that runs on the board: real wheels, a real virtual environment, below a folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from boards import payload
from boards.payload import Payload
from tests.boards import tiny


def run(made: Payload | None, prefix: Path, verb: str = "install") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(payload.INSTALLER), verb, "--prefix", str(prefix)]
    if made is not None:
        command += ["--manifest", str(made.folder / "manifest.json"), "--store", str(made.folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def good(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def says(prefix: Path) -> str:
    """What the installed program says, run as the unit runs it: with nothing of the caller's environment."""
    program = prefix / "opt/ferlite/current/venv/bin/ferlite"
    clean = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    return subprocess.run([program], capture_output=True, text=True, check=True, env=clean).stdout.strip()


@pytest.fixture
def one(tmp_path: Path, pip_wheel: Path) -> Payload:
    return tiny.make(tmp_path / "one", "1.0", pip=pip_wheel)


@pytest.fixture
def two(tmp_path: Path, pip_wheel: Path) -> Payload:
    return tiny.make(tmp_path / "two", "2.0", pip=pip_wheel)


def test_install_update_rollback_and_forward(one: Payload, two: Payload, tmp_path: Path) -> None:
    board = tmp_path / "board"
    first = good(run(one, board))
    assert (first["current"], first["previous"], first["changed"]) == (one.id, None, True)
    assert says(board) == "ferlite 1.0"
    second = good(run(two, board))
    assert (second["current"], second["previous"]) == (two.id, one.id)
    assert says(board) == "ferlite 2.0"
    back = good(run(None, board, "rollback"))
    assert (back["current"], back["previous"]) == (one.id, two.id)
    assert says(board) == "ferlite 1.0"
    again = good(run(two, board))
    assert again["current"] == two.id
    assert says(board) == "ferlite 2.0"


def test_the_same_payload_again_changes_nothing(one: Payload, tmp_path: Path) -> None:
    good(run(one, tmp_path / "board"))
    before = (tmp_path / "board/opt/ferlite/current/COMPLETE").stat().st_mtime_ns
    assert good(run(one, tmp_path / "board"))["changed"] is False
    assert (tmp_path / "board/opt/ferlite/current/COMPLETE").stat().st_mtime_ns == before


def test_only_two_versions_are_kept(tmp_path: Path, pip_wheel: Path) -> None:
    board = tmp_path / "board"
    ids = []
    for number in range(3):
        made = tiny.make(tmp_path / str(number), f"{number}.0", pip=pip_wheel)
        good(run(made, board))
        ids.append(made.id)
    assert sorted(path.name for path in (board / "opt/ferlite/versions").iterdir()) == sorted(ids[1:])


def test_a_version_without_a_timer_leaves_no_link_to_one(tmp_path: Path, pip_wheel: Path) -> None:
    """Versions of before there was one can still be rolled back to."""
    board = tmp_path / "board"
    for number, timer in ((1, False), (2, True)):
        made = tiny.make(tmp_path / str(number), f"{number}.0", pip=pip_wheel, timer=timer)
        good(run(made, board))
        assert (board / "etc/systemd/system/ferlite-again.timer").is_symlink() is timer
    good(run(None, board, "rollback"))
    assert not (board / "etc/systemd/system/ferlite-again.timer").is_symlink()
    assert says(board) == "ferlite 1.0"


def test_what_lies_where(one: Payload, tmp_path: Path) -> None:
    board = tmp_path / "board"
    good(run(one, board))
    unit = board / "etc/systemd/system/ferlite.service"
    assert str(unit.readlink()) == "/opt/ferlite/current/ferlite.service"
    assert str((unit.parent / "multi-user.target.wants/ferlite.service").readlink()) == "../ferlite.service"
    current = board / "opt/ferlite/current"
    retry = board / "etc/systemd/system/ferlite-again.timer"
    assert str(retry.readlink()) == "/opt/ferlite/current/ferlite-again.timer"
    for name in (
        "edge.json",
        "ferlite.service",
        "ferlite-again.timer",
        "bundle/bundle.json",
        "manifest.json",
        "COMPLETE",
    ):
        assert (current / name).is_file()
    assert not (current / ".wheels").exists()
    assert (current / "edge.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_the_service_user_may_read_it_whatever_the_umask(one: Payload, tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        good(run(one, tmp_path / "board"))
    finally:
        os.umask(old)
    for path in (tmp_path / "board/opt/ferlite/versions").rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o004, path


def test_rollback_with_nothing_before(one: Payload, tmp_path: Path) -> None:
    done = run(None, tmp_path / "board", "rollback")
    assert (done.returncode, done.stderr) == (1, "there is no previous version to return to\n")
    good(run(one, tmp_path / "board"))
    assert run(None, tmp_path / "board", "rollback").returncode == 1
    assert says(tmp_path / "board") == "ferlite 1.0"


def test_a_version_that_does_not_import_is_not_put_in_use(
    one: Payload, tmp_path: Path, pip_wheel: Path
) -> None:
    board = tmp_path / "board"
    good(run(one, board))
    bad = tiny.make(tmp_path / "bad", "3.0", pip=pip_wheel, broken=True)
    done = run(bad, board)
    assert done.returncode == 1
    assert "the new version does not start (this wheel is broken); the old version goes on" in done.stderr
    assert says(board) == "ferlite 1.0"
    assert [path.name for path in (board / "opt/ferlite/versions").iterdir()] == [one.id]


def test_a_version_that_dies_of_an_illegal_instruction(tmp_path: Path, pip_wheel: Path) -> None:
    deadly = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
    made = tiny.make(tmp_path / "bad", "3.0", pip=pip_wheel, check=deadly)
    done = run(made, tmp_path / "board")
    assert "the new version does not start (killed by SIGILL)" in done.stderr


@pytest.mark.parametrize(
    ("key", "value", "says_what"),
    [
        ("arch", "riscv64", "the payload is for riscv64 and this board is"),
        ("python", "3.99", "the payload is for Python 3.99 and this system has"),
        ("schema", 7, "the payload's schema 7 is not 1"),
        ("id", "../../etc", "the payload's manifest is damaged"),
        (
            "files",
            [{"path": "/etc/passwd", "sha256": "a"}],
            "the payload's manifest is damaged (/etc/passwd)",
        ),
        ("files", [{"path": "../x", "sha256": "a"}], "the payload's manifest is damaged (../x)"),
        ("files", [{"path": "x", "sha256": "../x"}], "the payload's manifest is damaged (x)"),
        ("files", [{"path": "x", "sha256": "abc"}], "the payload lacks 'x'"),
        ("files", 3, "the payload's manifest is damaged"),
        ("installed_bytes", 1 << 60, "MB free and the installation needs"),
    ],
)
def test_a_payload_that_does_not_fit(
    key: str, value: object, says_what: str, one: Payload, tmp_path: Path
) -> None:
    board = tmp_path / "board"
    good(run(one, board))
    manifest = json.loads((one.folder / "manifest.json").read_text())
    manifest.update({"id": "0123456789ab", key: value})
    (one.folder / "manifest.json").write_text(json.dumps(manifest))
    done = run(one, board)
    assert done.returncode == 1
    assert says_what in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert says(board) == "ferlite 1.0"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1}'])
def test_a_damaged_manifest(text: str, one: Payload, tmp_path: Path) -> None:
    (one.folder / "manifest.json").write_text(text)
    done = run(one, tmp_path / "board")
    assert done.returncode == 1
    assert "manifest is damaged" in done.stderr


def test_a_damaged_file_is_not_installed_and_is_sent_anew(one: Payload, tmp_path: Path) -> None:
    entry = one.manifest["files"][0]
    path = one.folder / entry["sha256"]
    path.write_bytes(b"x" * entry["size"])
    done = run(one, tmp_path / "board")
    assert done.returncode == 1
    assert f"'{entry['path']}' was damaged on its way" in done.stderr
    assert not path.exists()


def test_two_installers_at_once(one: Payload, tmp_path: Path) -> None:
    import fcntl

    board = tmp_path / "board"
    good(run(one, board))
    with (board / "opt/ferlite/.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run(None, board, "rollback")
    assert (done.returncode, "another installation is running" in done.stderr) == (1, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_without_the_right_to_write(one: Payload, tmp_path: Path) -> None:
    (tmp_path / "board").mkdir(mode=0o555)
    assert "run this as root" in run(one, tmp_path / "board").stderr


def test_leftovers_of_an_interrupted_run_are_cleared(one: Payload, two: Payload, tmp_path: Path) -> None:
    board = tmp_path / "board"
    good(run(one, board))
    versions = board / "opt/ferlite/versions"
    shutil.copytree(versions / one.id, versions / two.id, symlinks=True)
    (versions / two.id / "COMPLETE").unlink()
    (versions / ".trash-old").mkdir()
    (versions / ".trash-old" / "file").write_text("x")
    good(run(two, board))
    assert says(board) == "ferlite 2.0"
    assert sorted(path.name for path in versions.iterdir()) == sorted([one.id, two.id])


def test_status(one: Payload, tmp_path: Path) -> None:
    assert good(run(None, tmp_path / "board", "status"))["current"] is None
    good(run(one, tmp_path / "board"))
    status = good(run(None, tmp_path / "board", "status"))
    assert (status["current"], status["ferlite"], status["bundle"]) == (one.id, "1.0", "tiny")


def may_mount() -> bool:
    done = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs the right to mount a small file system")
@pytest.mark.parametrize("where", ["bundle", "wheel"])
def test_a_card_that_fills_up_meanwhile(where: str, one: Payload, tmp_path: Path, pip_wheel: Path) -> None:
    """A file system of 48 MB, and an update whose manifest says too little about its size."""
    board, large = tmp_path / "board", bytes(64 << 20)
    good(run(one, board))
    contents = {"bundle/large": large} if where == "bundle" else {}
    if where == "wheel":
        tiny.write_wheel(tmp_path / "two/wheels", "large", "1.0", {"large.bin": large})
    two = tiny.make(tmp_path / "two", "2.0", pip=pip_wheel, contents=contents)
    text = (two.folder / "manifest.json").read_text()
    (two.folder / "manifest.json").write_text(re.sub(r'"installed_bytes": \d+', '"installed_bytes": 0', text))
    command = [sys.executable, "-I", payload.INSTALLER, "install", "--manifest", two.folder / "manifest.json"]
    script = (
        'cp -a "$BOARD/." "$SAVED" && mount -t tmpfs -o size=48m none "$BOARD" && cp -a "$SAVED/." "$BOARD"\n'
        '"$@"\necho code=$?\n"$BOARD/opt/ferlite/current/venv/bin/ferlite"\nls "$BOARD/opt/ferlite/versions"'
    )
    (tmp_path / "saved").mkdir()
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *command, "--store", two.folder, "--prefix", board],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "BOARD": str(board), "SAVED": str(tmp_path / "saved")},
    )
    assert done.stdout.splitlines() == ["code=1", "ferlite 1.0", one.id]
    assert "the card is full" in done.stderr
