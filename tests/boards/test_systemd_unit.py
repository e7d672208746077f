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
        capture_output=True,
        text=True,
        check=False,
    )
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


MQTT = "mqtt://192.168.1.9:1883/ferlite"


@pytest.mark.parametrize(
    ("source", "sinks", "allowed"),
    [
        ("/dev/video0", ("jsonl:-", MQTT), "192.168.1.9"),
        ("/dev/video0", ("mqtts://user:word@broker.local/faces",), systemd_unit._LOCAL),
        ("/dev/video0", ("https://[fd00::1]:8443/post",), "fd00::1"),
        ("/dev/video0", ("http://example.org/post",), None),
        ("rtsp://10.0.0.2/1", (MQTT,), "10.0.0.2 192.168.1.9"),
        ("rtsp://10.0.0.2/1", ("http://example.org/post",), None),
        ("/clip.mp4", (MQTT, "http://broker/post"), f"192.168.1.9 {systemd_unit._LOCAL}"),
        ("/dev/video0", ("http://[no address/",), None),
    ],
)
def test_a_sink_over_the_network_reaches_its_own_address_and_no_other(
    source: str, sinks: tuple[str, ...], allowed: str | None
) -> None:
    board = profile.load("rpi-4b")
    lines = systemd_unit.text(board, board.engine[0], source=source, sinks=sinks).splitlines()
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6" in lines and "PrivateNetwork=yes" not in lines
    assert "After=network-online.target" in lines and "Wants=network-online.target" in lines
    assert [one for one in lines if one.startswith("IPAddressAllow=")] == (
        [f"IPAddressAllow={allowed}"] if allowed else []
    )
    assert ("IPAddressDeny=any" in lines) is bool(allowed)
    assert "SocketBindDeny=ipv4:tcp" in lines, "nobody can ask it anything"


def test_a_sink_that_is_a_file_opens_nothing() -> None:
    board = profile.load("rpi-4b")
    for sink in ("jsonl:-", "csv:/var/lib/ferlite/x.csv", "jsonl:/var/lib/ferlite/mqtt://x", "csv:http://x"):
        text = systemd_unit.text(board, board.engine[0], source="/dev/video0", sinks=(sink,))
        assert "PrivateNetwork=yes" in text and "network-online" not in text


@needs_systemd
def test_a_broker_in_the_house_keeps_the_score(tmp_path: Path) -> None:
    board = profile.load("rpi-4b")
    text = systemd_unit.text(board, board.engine[0], source="/clip.mp4", sinks=(MQTT,))
    assert score(text, tmp_path) <= 1.0


@pytest.mark.parametrize(
    ("source", "restart"),
    [("/dev/video0", "always"), ("rtsp://10.0.0.2/1", "always"), ("/clip.mp4", "on-failure")],
)
def test_it_comes_back_unless_it_came_to_its_end(source: str, restart: str) -> None:
    board = profile.load("rpi-4b")
    lines = systemd_unit.text(board, board.engine[0], source=source, sinks=(MQTT,)).splitlines()
    for line in (f"Restart={restart}", "RestartSec=1", "WatchdogSec=30", "StartLimitBurst=5"):
        assert line in lines
    assert "StartLimitIntervalSec=60" in lines and f"OnFailure={systemd_unit.RETRY}" in lines


@needs_systemd
@pytest.mark.parametrize(
    ("source", "sink"),
    [
        ("picamera2", "jsonl:-"),
        ("rtsp://10.0.0.2/1", "jsonl:-"),
        ("http://[fd00::1]/", MQTT),
        ("/clip.mp4", MQTT),
    ],
)
def test_systemd_understands_every_line(source: str, sink: str, tmp_path: Path) -> None:
    board = profile.load("rpi-5")
    program = tmp_path / "current/venv/bin/ferlite"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = systemd_unit.text(board, board.engine[0], base=str(tmp_path), source=source, sinks=(sink,))
    (tmp_path / systemd_unit.NAME).write_text(text)
    (tmp_path / systemd_unit.RETRY).write_text(systemd_unit.retry_text())
    units = [str(tmp_path / name) for name in (systemd_unit.NAME, systemd_unit.RETRY)]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "ferlite" in line]
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
