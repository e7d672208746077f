"""The installer killed at every system call that changes the disk: the board has the old version or the new.

SIGKILL stands for a power cut here. It cannot show what an unwritten page cache would lose; that is why the
installer flushes a version to the disk before it puts it in use.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from boards import payload
from boards.payload import Payload
from tests.boards import tiny
from tests.boards.test_install import good, run, says

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("strace"), reason="needs strace: apt install strace"),
]
CALLS = (
    "openat,write,pwrite64,sendfile,copy_file_range,rename,renameat,renameat2,symlink,symlinkat,link,linkat,"
    "mkdir,mkdirat,unlink,unlinkat,rmdir,chmod,fchmod,fchmodat,ftruncate,fsync,sync,flock,statfs,vfork,clone"
)
# Beside each of those, this many moments spread over all of the installer's system calls.
SAMPLES = 50
FEWEST_POINTS = 150


def command(made: Payload | None, board: Path, verb: str) -> list[str]:
    words = [sys.executable, "-I", str(payload.INSTALLER), verb, "--prefix", str(board)]
    if made is not None:
        words += ["--manifest", str(made.folder / "manifest.json"), "--store", str(made.folder)]
    return words


def traced(words: list[str], log: Path, *, calls: str = CALLS, kill_at: int = 0, follow: bool = False) -> int:
    trace = ["strace", "-qq", "-o", str(log), "-e", f"trace={calls}", *(["-f"] if follow else [])]
    trace += ["-e", f"inject={calls}:signal=KILL:when={kill_at}"] if kill_at else []
    done = subprocess.run([*trace, *words], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode


def points(log: Path, board: Path) -> range:
    """Numbers of the calls from the first that touches the board to the last, and a few beyond."""
    lines = [
        line for line in log.read_text(errors="replace").splitlines() if re.match(r"(\d+ +)?\w+\(", line)
    ]
    first = next(number for number, line in enumerate(lines, 1) if str(board) in line)
    return range(first, len(lines) + 1)


@pytest.fixture
def board(tmp_path: Path, pip_wheel: Path) -> tuple[Path, Payload, Payload]:
    """A board with version 1.0 in use; and both payloads."""
    one, two = (tiny.make(tmp_path / v, v, pip=pip_wheel) for v in ("1.0", "2.0"))
    good(run(one, tmp_path / "board"))
    return tmp_path / "board", one, two


def reset(board: Path, saved: Path) -> None:
    shutil.rmtree(board)
    shutil.copytree(saved, board, symlinks=True)


def test_an_update_killed_at_every_point(board: tuple[Path, Payload, Payload], tmp_path: Path) -> None:
    place, one, two = board
    saved, log = tmp_path / "saved", tmp_path / "log"
    shutil.copytree(place, saved, symlinks=True)
    words = command(two, place, "install")
    cuts: list[tuple[str, int]] = []
    for calls in (CALLS, "all"):
        reset(place, saved)
        assert traced(words, log, calls=calls) == 0
        where = points(log, place)
        cuts += [
            (calls, number) for number in where[:: 1 if calls == CALLS else max(1, len(where) // SAMPLES)]
        ]
    killed, seen = 0, set()
    for index, (calls, number) in enumerate(cuts):
        reset(place, saved)
        killed += traced(words, log, calls=calls, kill_at=number) != 0
        state = says(place)
        assert state in ("ferlite 1.0", "ferlite 2.0"), f"broken when killed at {calls} number {number}"
        seen.add(state)
        if index % 10 == 0:
            print(f"point {index} of {len(cuts)}: {state}", file=sys.stderr)
            assert good(run(two, place))["current"] == two.id
            assert says(place) == "ferlite 2.0"
            assert good(run(None, place, "rollback"))["current"] == one.id
            assert says(place) == "ferlite 1.0"
    print(f"\nkilled {killed} times at {len(cuts)} points, 0 broken", file=sys.stderr)
    assert killed >= FEWEST_POINTS
    assert seen == {"ferlite 1.0", "ferlite 2.0"}, "the kills did not reach both sides of the change"


def test_a_rollback_killed_at_every_point(board: tuple[Path, Payload, Payload], tmp_path: Path) -> None:
    place, one, two = board
    good(run(two, place))
    saved, log = tmp_path / "saved", tmp_path / "log"
    shutil.copytree(place, saved, symlinks=True)
    words = command(None, place, "rollback")
    assert traced(words, log) == 0
    seen = set()
    for number in points(log, place):
        reset(place, saved)
        traced(words, log, kill_at=number)
        state = says(place)
        seen.add(state)
        # A rollback that was cut off can be repeated until it has happened.
        if state == "ferlite 2.0":
            assert good(run(None, place, "rollback"))["current"] == one.id
            assert says(place) == "ferlite 1.0"
    assert seen == {"ferlite 1.0", "ferlite 2.0"}


def test_killed_inside_pip(board: tuple[Path, Payload, Payload], tmp_path: Path) -> None:
    """With -f the calls are counted in each process by itself: here pip's children die with the installer."""
    place, _, two = board
    saved, log = tmp_path / "saved", tmp_path / "log"
    shutil.copytree(place, saved, symlinks=True)
    words = command(two, place, "install")
    for number in range(400, 2400, 100):
        reset(place, saved)
        traced(words, log, kill_at=number, follow=True)
        assert says(place) in ("ferlite 1.0", "ferlite 2.0")
        assert good(run(two, place))["current"] == two.id
        assert os.path.realpath(place / "opt/ferlite/current").endswith(two.id)
