"""What systemd hears, at a real socket."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from edge.live.notify import Notifier


def listener(path: Path) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(str(path))
    channel.setblocking(False)
    return channel


def heard(channel: socket.socket) -> list[bytes]:
    messages = []
    while True:
        try:
            messages.append(channel.recv(100))
        except BlockingIOError:
            return messages


def test_ready_comes_with_the_first_frame_and_the_watchdog_is_fed_by_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "2")  # half of it has always passed
    with listener(tmp_path / "notify") as channel:
        notifier = Notifier()
        assert heard(channel) == []
        notifier.frame_passed()
        assert heard(channel) == [b"READY=1\nWATCHDOG=1"]
        notifier.frame_passed()
        assert heard(channel) == [b"WATCHDOG=1"]


def test_a_report_that_did_not_go_out_is_made_at_a_later_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "2")
    notifier = Notifier()
    notifier.frame_passed()  # nobody listens yet
    with listener(tmp_path / "notify") as channel:
        notifier.frame_passed()
        assert heard(channel) == [b"READY=1\nWATCHDOG=1"]


def test_without_a_socket_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().frame_passed()
