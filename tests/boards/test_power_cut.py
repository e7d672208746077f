"""The installer killed at every system call that changes the disk: the board has the old version or the new.

SIGKILL stands for a power cut here. It cannot show what an unwritten page cache would lose; that is why the
installer flushes a version to the disk before it puts it in use.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Cut:
    """A moment in the installer: the ``nth`` time that it (or with -f, one process of it) makes this call."""

    call: str
    nth: int


def traced(
    words: list[str], log: Path, *, calls: str = CALLS, cut: Cut | None = None, follow: bool = False
) -> int:
    """Run under strace, killed at ``cut``. strace counts each call's name by itself, so a cut names one."""
    trace = ["strace", "-qq", "-o", str(log), "-e", f"trace={calls}", *(["-f"] if follow else [])]
    trace += ["-e", f"inject={cut.call}:signal=KILL:when={cut.nth}"] if cut else []
    done = subprocess.run([*trace, *words], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return done.returncode


def cuts(log: Path, board: Path) -> list[Cut]:
    """Every call of the trace, from the first that touches the board to the last."""
    counts: Counter[str] = Counter()
    found, touched = [], False
    for line in log.read_text(errors="replace").splitlines():
        if match := re.match(r"(\w+)\(", line):
            counts[match[1]] += 1
            touched = touched or str(board) in line
            if touched:
                found.append(Cut(match[1], counts[match[1]]))
    return found


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
    moments: list[Cut] = []
    for calls in (CALLS, "all"):
        reset(place, saved)
        assert traced(words, log, calls=calls) == 0
        here = cuts(log, place)
        moments += here if calls == CALLS else here[:: max(1, len(here) // SAMPLES)]
    killed, seen = 0, set()
    for index, cut in enumerate(moments):
        reset(place, saved)
        killed += traced(words, log, calls=cut.call, cut=cut) == -signal.SIGKILL
        state = says(place)
        assert state in ("ferlite 1.0", "ferlite 2.0"), f"broken when killed at {cut}"
        seen.add(state)
        if index % 10 == 0:
            print(
                f"point {index} of {len(moments)}: {cut.call} {cut.nth}: {state}, killed {killed}",
                file=sys.stderr,
            )
            assert good(run(two, place))["current"] == two.id
            assert says(place) == "ferlite 2.0"
            assert good(run(None, place, "rollback"))["current"] == one.id
            assert says(place) == "ferlite 1.0"
    print(f"\nkilled {killed} times at {len(moments)} points, 0 broken", file=sys.stderr)
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
    for cut in cuts(log, place):
        reset(place, saved)
        assert traced(words, log, calls=cut.call, cut=cut) == -signal.SIGKILL
        state = says(place)
        seen.add(state)
        # A rollback that was cut off can be repeated until it has happened.
        if state == "ferlite 2.0":
            assert good(run(None, place, "rollback"))["current"] == one.id
            assert says(place) == "ferlite 1.0"
    assert seen == {"ferlite 1.0", "ferlite 2.0"}


def test_killed_inside_pip(board: tuple[Path, Payload, Payload], tmp_path: Path) -> None:
    """With -f the calls are counted in each process by itself: here pip's dies, and the installer with it."""
    place, _, two = board
    saved, log = tmp_path / "saved", tmp_path / "log"
    shutil.copytree(place, saved, symlinks=True)
    words = command(two, place, "install")
    assert traced(words, log, calls="openat", follow=True) == 0
    opened = Counter(line.split()[0] for line in log.read_text(errors="replace").splitlines())
    most = max(opened.values())
    for number in range(most // 20, most, most // 20):
        reset(place, saved)
        assert traced(words, log, calls="openat", cut=Cut("openat", number), follow=True) != 0
        assert says(place) in ("ferlite 1.0", "ferlite 2.0")
        assert good(run(two, place))["current"] == two.id
        assert os.path.realpath(place / "opt/ferlite/current").endswith(two.id)
