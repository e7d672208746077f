"""A probe held against the profile: true boards agree, and each thing that is not as told is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from boards import cli, match
from boards.agreement import camera_note, disagreements
from boards.facts import Facts
from boards.probe import probe
from boards.profile import Profile, load
from tests.boards import trees


def seen(name: str, folder: Path, **changes: str | bytes) -> tuple[Profile, Facts]:
    files = {**trees.BOARDS[name], **{key.replace("|", "/"): text for key, text in changes.items()}}
    return load(name), probe(trees.write(folder, files))


@pytest.mark.parametrize("name", trees.BOARDS)
def test_every_board_is_as_its_profile_says(name: str, tmp_path: Path) -> None:
    board, facts = seen(name, tmp_path)
    assert match.identify(facts)[0] == board
    assert disagreements(board, facts) == ()


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("/proc/cpuinfo", trees.arm_cpuinfo(0xD0B, trees.A53), "the CPU lacks asimddp, fphp"),
        ("/proc/cpuinfo", trees.arm_cpuinfo(0xD0B, trees.A76 + " i8mm"), "the CPU has i8mm"),
        ("/sys/devices/system/cpu/present", "0-7\n", "8 cores, not 4"),
        ("/proc/meminfo", "MemTotal: 300000 kB\n", "292 MB of memory, not 1 or 2 or 4 or 8 or 16 GB"),
        ("/proc/meminfo", "MemTotal: 99000000 kB\n", "96679 MB of memory, not 1 or 2 or 4 or 8 or 16 GB"),
        ("/sys/class/thermal/thermal_zone0/temp", "no\n", "no temperature can be read (thermal)"),
        ("/sys/devices/platform/soc/soc:firmware/get_throttled", "", "throttling cannot be read (vcgencmd)"),
    ],
)
def test_what_is_not_as_told_is_named(
    path: str,
    content: str,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    board, facts = seen("rpi-5", tmp_path, **{path: content})
    assert disagreements(board, facts) == (says,)
    assert cli.main(["probe", "--root", str(tmp_path)]) == 0
    assert f"unlike       its profile: {says}" in capsys.readouterr().out


def test_what_is_unverified_is_not_held_against_a_board(tmp_path: Path) -> None:
    board, facts = seen("rpi-5", tmp_path, **{"/sys/devices/system/cpu/present": "0-7\n"})
    assert disagreements(dataclasses.replace(board, unverified=("cpu.cores",)), facts) == ()


def test_nothing_known_is_nothing_contradicted(tmp_path: Path) -> None:
    board = load("rpi-5")
    unknown = probe(tmp_path)
    sensors = dataclasses.replace(board.sensors, temperature="none", throttle="none")
    assert disagreements(dataclasses.replace(board, sensors=sensors), unknown) == ()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("/dev/video0", ""),
        ("picamera2", ""),
        ("rtsp://camera/1", ""),
        (
            "/dev/video7",
            "no camera is seen at /dev/video7: the service waits until one is plugged in, "
            "or name another with --source, as in /dev/video0",
        ),
    ],
)
def test_a_camera_that_is_not_there(source: str, says: str, tmp_path: Path) -> None:
    assert camera_note(*seen("rpi-4b", tmp_path), source) == says


def test_a_jetson_without_a_usb_camera_is_pointed_to_its_ribbon(tmp_path: Path) -> None:
    board, facts = seen("jetson-orin-nano", tmp_path)
    assert "as in nvarguscamerasrc ! " in camera_note(board, facts, "/dev/video0")
