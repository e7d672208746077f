"""The unit under a real systemd: hung, crashed and mute services come back, and storms calm down."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import edge.live.notify
from boards import profile, systemd_unit
from tests.boards.systemd_box import Box, until

pytestmark = pytest.mark.slow
# It stands in for `ferlite run`: frames pass through the runtime's own notifier until one does not come.
PROGRAM = """\
#!/usr/bin/python3 -B
import sys, threading, time
sys.path.insert(0, "/opt/ferlite/lib")
from notify import Notifier

def say(what):
    with open("/var/lib/ferlite/log", "a") as log:
        log.write(f"{what} {time.monotonic()}\\n")

say("start")
notifier = Notifier()
"""
HANGS = """
# The process is alive and busy all the time; only frames stop.
threading.Thread(target=lambda: [time.sleep(0.1) for _ in range(10**6)], daemon=True).start()
for _ in range(20):
    time.sleep(0.1)
    notifier.frame_passed()
    say("frame")
time.sleep(1e6)
"""
CRASHES = "time.sleep(0.2); notifier.frame_passed(); sys.exit(1)"
MUTE = "time.sleep(1e6)"


def box(folder: Path, ending: str, **changes: str) -> Box:
    """The unit of a Raspberry Pi, as deployed, with that program; ``changes`` are settings of a drop-in."""
    board = profile.load("rpi-4b")
    text = systemd_unit.text(board, board.engine[0], source="picamera2", sinks=("jsonl:-",))
    program = folder / "opt/current/venv/bin/ferlite"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM + ending)
    program.chmod(0o755)
    (folder / "opt/lib").mkdir()
    shutil.copy(Path(edge.live.notify.__file__), folder / "opt/lib/notify.py")
    # A container may lack the groups of cameras and GPUs.
    changes = {"SupplementaryGroups": "", **changes}
    settings = "".join(f"{name}={value}\n" for name, value in changes.items())
    return Box(
        folder,
        {
            systemd_unit.NAME: text,
            systemd_unit.RETRY: systemd_unit.retry_text(),
            f"{systemd_unit.NAME}.d/test.conf": f"[Service]\n{settings}",
        },
    )


def log(machine: Box, what: str) -> list[float]:
    """When the program said so, by the machine's own clock."""
    inner = machine._inner()
    path = Path(f"/proc/{inner}/root/var/lib/private/ferlite/log")
    text = path.read_text() if path.exists() else ""
    return [float(when) for when in re.findall(rf"^{what} (\S+)$", text, re.M)]


def test_a_hung_engine_is_killed_and_started_again_in_time(tmp_path: Path) -> None:
    """The process lives, its threads run, and no frame passes: nothing feeds the watchdog then."""
    with box(tmp_path, HANGS, WatchdogSec="4") as machine:
        machine.systemctl("start", systemd_unit.NAME)
        assert machine.shown(systemd_unit.NAME, "ActiveState") == "active"
        until(lambda: len(log(machine, "start")) >= 5, 90, lambda: str(log(machine, "start")))
        starts, frames = log(machine, "start"), log(machine, "frame")
    for again in starts[1:]:
        last = max(frame for frame in frames if frame < again)
        assert again - last <= 4 + 2, (starts, frames)


def test_a_storm_is_five_starts_a_minute_and_then_a_pause(tmp_path: Path) -> None:
    with box(tmp_path, CRASHES) as machine:
        machine.systemctl("start", systemd_unit.NAME)
        until(lambda: machine.shown(systemd_unit.NAME, "ActiveState") == "failed", 30, lambda: "no failure")
        storm = log(machine, "start")
        assert len(storm) == 5 and storm[-1] - storm[0] < 20
        assert machine.shown(systemd_unit.RETRY, "ActiveState") == "active"
        until(lambda: len(log(machine, "start")) > 5, 80, lambda: "nothing starts it again")
        calm = log(machine, "start")[5] - storm[-1]
        assert 55 < calm < 70
        # The next storm ends in the same way: it never gives up, and never goes faster.
        until(lambda: machine.shown(systemd_unit.NAME, "ActiveState") == "failed", 30, lambda: "no failure")
        starts = log(machine, "start")
        assert max(len([one for one in starts if 0 <= one - first < 60]) for first in starts) <= 5
        # Who stops it wants it stopped.
        machine.systemctl("stop", systemd_unit.NAME)
        assert machine.shown(systemd_unit.RETRY, "ActiveState") == "inactive"


def test_a_service_that_lets_no_frame_through_is_not_ready(tmp_path: Path) -> None:
    with box(tmp_path, MUTE, TimeoutStartSec="3", TimeoutStopSec="1") as machine:
        machine.systemctl("start", systemd_unit.NAME)
        assert machine.shown(systemd_unit.NAME, "ActiveState") != "active"
        until(lambda: len(log(machine, "start")) >= 2, 30, lambda: "it is not started again")
