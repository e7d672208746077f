"""The systemd unit, scored and parsed by systemd itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from boards import profile, systemd_unit
from boards.errors import UsageError

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")


def score(text: str, folder: Path) -> float:
    path = folder / systemd_unit.NAME
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=yes", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stderr
    return float(found[1])


@needs_systemd
@pytest.mark.parametrize("name", profile.names())
def test_the_sandbox_scores_at_most_one(name: str, tmp_path: Path) -> None:
    board = profile.load(name)
    for engine in board.engine:
        text = systemd_unit.text(board, engine, source=board.camera.source, sinks=("jsonl:-",))
        assert score(text, tmp_path) <= 1.0


@needs_systemd
@pytest.mark.parametrize(
    ("source", "most"),
    [
        ("/boot/firmware/clip.mp4", 0.2),
        # The network alone costs 0.8: no PrivateNetwork, IP sockets, an address to talk to.
        ("rtsp://192.168.1.20/1", 1.0),
        ("rtsp://camera/1", 1.0),
        # A name elsewhere may stand for any address, so none can be shut out.
        ("https://camera.example.org/mjpeg", 1.1),
    ],
)
def test_what_a_source_without_a_camera_costs(source: str, most: float, tmp_path: Path) -> None:
    board = profile.load("rpi-4b")
    text = systemd_unit.text(board, board.engine[0], source=source, sinks=("jsonl:-",))
    assert score(text, tmp_path) <= most


def test_a_service_without_a_camera_reaches_no_device() -> None:
    board = profile.load("intel-lnl")
    for engine in board.engine:
        for source in ("rtsp://10.0.0.2/1", "/boot/firmware/photo.jpg"):
            text = systemd_unit.text(board, engine, source=source, sinks=())
            assert ("PrivateDevices=yes" in text) is (engine.device == "CPU")
            assert ("DeviceAllow=" in text) is (engine.device != "CPU")
    for source in ("/dev/video0", "0", "picamera2", "v4l2src ! appsink"):
        assert "DeviceAllow=" in systemd_unit.text(board, board.engine[2], source=source, sinks=())


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("rtsp://user:word@192.168.1.20:554/1", "192.168.1.20"),
        ("http://[fd00::1]/mjpeg", "fd00::1"),
        ("rtsp://camera.local/1", systemd_unit._LOCAL),
        ("rtsp://camera/1", systemd_unit._LOCAL),
        ("https://camera.example.org/mjpeg", ""),
        ("rtspsrc location=rtsp://10.0.0.2/1 ! appsink", ""),
    ],
)
def test_nothing_but_the_camera_is_reached_over_the_network(source: str, address: str) -> None:
    board = profile.load("rpi-4b")
    lines = systemd_unit.text(board, board.engine[0], source=source, sinks=()).splitlines()
    assert ("IPAddressDeny=any" in lines) is bool(address)
    assert (f"IPAddressAllow={address}" in lines) is bool(address)


@needs_systemd
@pytest.mark.parametrize("source", ["picamera2", "rtsp://10.0.0.2/1", "http://[fd00::1]/", "/clip.mp4"])
def test_systemd_understands_every_line(source: str, tmp_path: Path) -> None:
    board = profile.load("rpi-5")
    program = tmp_path / "current/venv/bin/ferlite"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = systemd_unit.text(board, board.engine[0], base=str(tmp_path), source=source, sinks=("jsonl:-",))
    (tmp_path / systemd_unit.NAME).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / systemd_unit.NAME)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if systemd_unit.NAME in line]
    assert complaints == []


@pytest.mark.parametrize(
    ("source", "open_network"),
    [
        ("/dev/video0", False),
        ("picamera2", False),
        ("rtsp://camera/1", True),
        ("http://10.0.0.5/mjpeg", True),
        ("rtspsrc location=rtsp://10.0.0.2/1 ! appsink", True),
        ("v4l2src ! appsink", False),
    ],
)
def test_the_network_is_open_only_for_a_network_source(source: str, open_network: bool) -> None:
    board = profile.load("rpi-4b")
    text = systemd_unit.text(board, board.engine[0], source=source, sinks=("jsonl:-",))
    assert ("PrivateNetwork=yes" in text) is not open_network
    assert ("AF_INET" in text) is open_network


def test_machine_code_is_forbidden_where_the_engine_makes_none() -> None:
    board = profile.load("intel-lnl")
    texts = {
        (one.name, one.device): systemd_unit.text(board, one, source="/dev/video0", sinks=())
        for one in board.engine
    }
    assert "MemoryDenyWriteExecute=yes" in texts["onnx", "CPU"]
    assert not any(
        "MemoryDenyWriteExecute" in text for (name, _), text in texts.items() if name == "openvino"
    )


def test_the_boards_limits_are_in_the_unit() -> None:
    board = profile.load("rpi-zero-2w")
    text = systemd_unit.text(board, board.engine[0], source="picamera2", sinks=("jsonl:-",))
    for line in (
        "Type=notify",
        "WatchdogSec=30",
        "MemoryMax=350M",
        "DeviceAllow=char-media rw",
        "DynamicUser=yes",
    ):
        assert line in text.splitlines()


def test_a_line_break_cannot_smuggle_a_setting_in() -> None:
    board = profile.load("rpi-4b")
    with pytest.raises(UsageError, match="control character"):
        systemd_unit.text(board, board.engine[0], source="/dev/video0\nExecStartPre=/bin/rm", sinks=())
