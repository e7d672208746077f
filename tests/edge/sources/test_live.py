"""Cameras that fail in every way that cameras do: each is counted, said, and got over within five seconds."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.errors import SourceError, SourceFault
from edge.source import Frame, open_source
from edge.sources import camera
from edge.sources.live import LiveSource, Patience

# Short for a test, and long beside what a busy machine takes from a thread.
SOON = Patience(silence=1.5, lifeless=0.8, missed=0.3, opening=10.0, first_wait=0.02, most_wait=0.1)
RATE = 0.01  # seconds between the frames of a script
Act = Callable[["Camera"], "tuple[bool, np.ndarray | None]"]


class Camera:
    """A scripted capture: each act is one read, and the last goes on for ever."""

    def __init__(self, *acts: Act, shape: tuple[int, int] = (48, 64)) -> None:
        self.acts, self.shape = list(acts), shape
        self.count, self.released, self.reads = 0, threading.Event(), 0

    def get(self, key: int) -> float:
        return 30.0 if key == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        assert not self.released.is_set(), "read after release"
        self.reads += 1
        return (self.acts.pop(0) if len(self.acts) > 1 else self.acts[0])(self)

    def release(self) -> None:
        self.released.set()

    def picture(self) -> np.ndarray:
        self.count += 1
        rng = np.random.default_rng(self.count)
        return rng.integers(100, 150, (*self.shape, 3)).astype(np.uint8)


def live(shown: Camera) -> tuple[bool, np.ndarray | None]:
    time.sleep(RATE)
    return True, shown.picture()


def gone(shown: Camera) -> tuple[bool, np.ndarray | None]:
    return False, None


def even(level: int) -> Act:
    def act(shown: Camera) -> tuple[bool, np.ndarray | None]:
        time.sleep(RATE)
        return True, np.full((*shown.shape, 3), level, np.uint8)

    return act


def hang(seconds: float) -> Act:
    def act(shown: Camera) -> tuple[bool, np.ndarray | None]:
        shown.released.wait(seconds)
        time.sleep(seconds)
        return False, None

    return act


def fail(shown: Camera) -> tuple[bool, np.ndarray | None]:
    raise cv2.error("bad packet")


def resized(height: int, width: int) -> Act:
    def act(shown: Camera) -> tuple[bool, np.ndarray | None]:
        shown.shape = (height, width)
        return live(shown)

    return act


class Plug:
    """Gives one camera after the other, and nothing where there is None."""

    def __init__(self, *cameras: Camera | None) -> None:
        self.cameras, self.opened = list(cameras), 0
        self.given: list[Camera] = []
        self.at: list[float] = []

    def __call__(self) -> Camera:
        self.opened += 1
        self.at.append(time.monotonic())
        if any(not other.released.is_set() for other in self.given):
            raise SourceError("device or resource busy")
        shown = self.cameras.pop(0) if len(self.cameras) > 1 else self.cameras[0]
        if shown is None:
            raise SourceError("no such device")
        shown = Camera(*shown.acts, shape=shown.shape) if len(self.cameras) == 1 else shown
        self.given.append(shown)
        return shown


def watch(source: LiveSource, frames: int, limit: float = 30.0) -> tuple[list[Frame], list[SourceFault]]:
    """So many frames, with the faults between them."""
    seen: list[Frame] = []
    faults: list[SourceFault] = []
    until = time.monotonic() + limit
    for item in source.frames():
        if isinstance(item, Frame):
            seen.append(item)
        else:
            assert isinstance(item, SourceFault)
            faults.append(item)
        if len(seen) == frames:
            break
        assert time.monotonic() < until, f"{len(seen)} frames and {faults} after {limit} s"
    source.close()
    times = [frame.time or 0.0 for frame in seen]
    assert all(a < b for a, b in itertools.pairwise(times))
    assert [frame.index for frame in seen] == list(range(frames))
    return seen, faults


def test_a_camera_that_works_has_no_faults() -> None:
    plug = Plug(Camera(live))
    source = LiveSource("cam", plug)
    watch(source, 20)
    assert (dict(source.faults), plug.opened, source.rate) == ({}, 1, 30.0)
    assert plug.given[0].released.wait(2)


FAULTS: dict[str, tuple[Act, ...]] = {
    "ended": (live, live, gone),
    "silent": (live, live, live, hang(1.2)),
    "undecodable": (live, live, fail),
    "frozen": (live, live, even(90)),
    "black": (live, live, even(3)),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_fails_is_opened_again_counted_and_said(kind: str) -> None:
    broken = Camera(*FAULTS[kind])
    plug = Plug(broken, Camera(live), Camera(live))
    source = LiveSource("rtsp://***@cam", plug, patience=SOON)
    enough = 8 if kind in ("ended", "silent", "undecodable") else 110
    _, faults = watch(source, enough)
    assert source.faults[kind] == 1
    assert broken.released.is_set()
    assert all("'rtsp://***@cam'" in str(fault) and "\n" not in str(fault) for fault in faults)
    assert "is back after" in str(faults[-1])


@pytest.mark.parametrize("kind", FAULTS)
def test_with_the_patience_that_ships_it_is_back_within_five_seconds(kind: str) -> None:
    plug = Plug(Camera(*FAULTS[kind]), None, Camera(live))
    source = LiveSource("cam", plug)
    began = time.monotonic()
    lost = None
    for item in source.frames():
        if isinstance(item, SourceFault) and "is back" in str(item):
            lost = time.monotonic() - began
            break
        assert time.monotonic() - began < 8
    source.close()
    assert lost is not None
    assert lost < 5
    assert source.faults[kind] == 1
    assert source.faults["unopened"] == 1


def test_a_camera_that_is_unplugged_for_long_is_asked_at_growing_intervals() -> None:
    plug = Plug(Camera(live, live, gone), *[None] * 8, Camera(live))
    source = LiveSource("cam", plug, patience=SOON)
    _, faults = watch(source, 6)
    assert source.faults == {"ended": 1, "unopened": 8}
    assert sum("cannot be opened again yet" in str(fault) for fault in faults) == 1, "said once"
    waits = np.diff(plug.at[1:])
    assert (waits > 0.01).all(), "a busy loop"
    assert np.median(waits[-4:]) > waits[0]
    assert np.median(waits) < 0.1 * 1.25 + 0.3


def test_waits_are_never_twice_the_same() -> None:
    """A hundred boards must not knock at one camera server at the same moments."""
    plug = Plug(Camera(live, gone), *[None] * 12, Camera(live))
    watch(LiveSource("cam", plug, patience=SOON), 3)
    waits = np.round(np.diff(plug.at[1:]), 4)
    assert len(set(waits.tolist())) > 6


def test_a_storm_of_empty_reads_is_waited_out_without_burning_a_core() -> None:
    plug = Plug(Camera(live, live, *[gone] * 4, live))
    source = LiveSource("cam", plug, patience=Patience(missed=2.0))
    began = time.process_time()
    watch(source, 10)
    assert dict(source.faults) == {"missed": 1}
    assert plug.given[0].reads < 100
    assert time.process_time() - began < 0.5


def test_another_size_in_the_middle_goes_on() -> None:
    source = LiveSource("cam", Plug(Camera(*[live] * 5, resized(96, 128))), patience=SOON)
    frames, faults = watch(source, 20)
    assert source.faults["size"] == 1
    assert {frame.image.shape for frame in frames} == {(48, 64, 3), (96, 128, 3)}
    assert "changed from 64 x 48 to 128 x 96 pixels" in str(faults[0])


def test_a_slow_camera_is_no_fault() -> None:
    def slow(shown: Camera) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.25)
        return True, shown.picture()

    source = LiveSource("cam", Plug(Camera(slow)), patience=SOON)
    frames, _ = watch(source, 6)
    assert dict(source.faults) == {}
    assert (frames[-1].time or 0) > 1.2


def test_a_reader_that_is_slower_than_the_camera_sees_what_is_there_now() -> None:
    source = LiveSource("cam", Plug(Camera(live)), patience=SOON)
    frames = source.frames()
    next(frames)
    time.sleep(0.3)
    later = next(frames)
    assert isinstance(later, Frame)
    assert (later.time or 0) > 0.15
    assert source.dropped > 10
    source.close()


def test_a_clock_that_is_set_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    source = LiveSource("cam", Plug(Camera(live)), patience=SOON)
    hours = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(time, "time", lambda: -float(next(hours)))
    frames, _ = watch(source, 10)
    assert dict(source.faults) == {}
    assert (frames[-1].time or 0) < 2


def test_a_program_that_stood_still_blames_no_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop's lid, a paused container: hours pass in one wait."""
    real, jumps = time.monotonic, [0.0]

    def shifted() -> float:
        return real() + jumps[0]

    source = LiveSource("cam", Plug(Camera(*[live] * 5, even(120), live)), patience=Patience(silence=2.0))
    monkeypatch.setattr(time, "monotonic", shifted)
    frames = source.frames()
    for _ in range(3):
        next(frames)
    jumps[0] = 7200.0
    for _ in range(3):
        assert isinstance(next(frames), Frame)
    source.close()
    assert source.faults["silent"] == 0


def test_a_still_scene_is_opened_again_ever_more_rarely() -> None:
    plug = Plug(*[Camera(even(90)) for _ in range(9)])
    source = LiveSource("cam", plug, patience=Patience(lifeless=0.1))
    began = time.monotonic()
    for _ in source.frames():
        if time.monotonic() - began > 1.4:
            break
    source.close()
    # 0.1, 0.2, 0.4, 0.8: the fourth is not yet through
    assert source.faults["frozen"] == 3


def test_a_driver_that_hangs_for_good_ends_the_run_and_does_not_pile_up_threads() -> None:
    def stuck(shown: Camera) -> tuple[bool, np.ndarray | None]:
        time.sleep(30)
        return False, None

    class Anything(Plug):
        def __call__(self) -> Camera:
            self.opened += 1
            return Camera(live, live, stuck)

    before = threading.active_count()
    patience = Patience(silence=0.05, opening=0.1, first_wait=0.01, most_wait=0.02)
    source = LiveSource("cam", Anything(), patience=patience)
    with pytest.raises(SourceError, match="hangs inside its driver") as caught:
        for _ in source.frames():
            pass
    assert not isinstance(caught.value, SourceFault)
    assert threading.active_count() - before <= 6
    source.close()


def test_it_closes_before_it_was_read_and_twice() -> None:
    plug = Plug(Camera(live))
    source = LiveSource("cam", plug, patience=SOON)
    source.close()
    source.close()
    assert plug.given[0].released.is_set()


def test_a_camera_that_is_not_there_at_first_is_said_at_once() -> None:
    with pytest.raises(SourceError, match="no such device"):
        LiveSource("cam", Plug(None))


def test_a_pipeline_of_gstreamer_may_end() -> None:
    source = LiveSource("filesrc ! appsink", Plug(Camera(live, live, gone)), endless=False, patience=SOON)
    assert len([item for item in source.frames() if isinstance(item, Frame)]) in (1, 2)
    assert dict(source.faults) == {}


def test_a_usb_camera_is_found_again_under_its_lasting_name(tmp_path: Path) -> None:
    (tmp_path / "by-id").mkdir()
    device = tmp_path / "video0"
    device.write_text("")
    lasting = tmp_path / "by-id" / "usb-Logitech-video-index0"
    lasting.symlink_to(device)
    assert camera.lasting_name(device, tmp_path) == lasting
    other = tmp_path / "video1"
    other.write_text("")
    assert camera.lasting_name(other, tmp_path) == other


# A real server, killed and started again


class Mjpeg:
    """An HTTP camera: multipart JPEGs at 20 frames a second, on a port that it keeps."""

    def __init__(self) -> None:
        self.port, self.picture = 0, 0
        self.running: ThreadingHTTPServer | None = None

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                mine = outer.running
                with suppress(OSError):
                    while outer.running is mine:
                        outer.picture += 1
                        rng = np.random.default_rng(outer.picture)
                        image = rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)
                        content = cv2.imencode(".jpg", image)[1].tobytes()
                        head = "--frame\r\nContent-Type: image/jpeg\r\n"
                        head += f"Content-Length: {len(content)}\r\n\r\n"
                        self.wfile.write(head.encode() + content + b"\r\n")
                        time.sleep(0.05)

            def log_message(self, *given: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.running = Server(("127.0.0.1", self.port), Handler)
        self.port = self.running.server_port
        threading.Thread(target=self.running.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        running, self.running = self.running, None
        if running is not None:
            running.shutdown()
            running.server_close()


@pytest.fixture
def mjpeg() -> Iterator[Mjpeg]:
    server = Mjpeg()
    server.start()
    yield server
    server.stop()


def back_within(source: Any, stop: Callable[[], object], start: Callable[[], object], away: float) -> float:
    """Seconds from ``start`` to the next frame, after ``away`` seconds without the server."""
    until = time.monotonic() + 40
    frames = source.frames()
    for _ in range(5):
        assert isinstance(next(frames), Frame)
    stop()
    again: list[float] = []

    def later() -> None:
        start()
        again.append(time.monotonic())

    timer = threading.Timer(away, later)
    timer.start()
    for item in frames:
        assert time.monotonic() < until
        if isinstance(item, Frame) and again:
            break
    timer.join()
    return time.monotonic() - again[0]


def test_an_http_camera_whose_server_is_killed_and_started_again(mjpeg: Mjpeg) -> None:
    source = open_source(f"http://user:secret@127.0.0.1:{mjpeg.port}/video")
    assert isinstance(source, LiveSource)
    assert back_within(source, mjpeg.stop, mjpeg.start, 2.0) < 5
    source.close()
    assert source.faults["ended"] == 1
    assert source.faults["unopened"] >= 1


def test_a_run_goes_on_over_a_fault_and_ends_well(mjpeg: Mjpeg, make_bundle: Callable[..., Path]) -> None:
    """The whole program: the fault is said on standard error, the frames go on, and it is no failure."""
    model = Path(__file__).parents[2] / "data" / "tiny_yunet.onnx"
    command = [sys.executable, "-m", "edge.cli", "run", f"http://user:secret@127.0.0.1:{mjpeg.port}/video"]
    command += ["--bundle", str(make_bundle()), "--engine", "onnx", "--detector-model", str(model)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--json", "--most", "30"], **pipes) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        mjpeg.stop()
        time.sleep(1)
        mjpeg.start()
        rest, said = process.communicate(timeout=60)
    lines += rest.splitlines()
    assert process.returncode == 0, said
    assert len(lines) == 30
    frames = [json.loads(line) for line in lines]
    assert [frame["frame"] for frame in frames] == list(range(30))
    assert "gives no more frames after" in said
    assert "is back after" in said
    assert "secret" not in said + "".join(lines)
    assert frames[0]["source"] == f"http://***@127.0.0.1:{mjpeg.port}/video"


HAS_RTSP = "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0')"


class Rtsp:
    """GStreamer's RTSP server, a process of its own, on a port that it keeps."""

    def __init__(self) -> None:
        self.python = next((each for each in ("/usr/bin/python3", sys.executable) if self.works(each)), "")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[str] | None = None

    @staticmethod
    def works(python: str) -> bool:
        with suppress(OSError):
            return subprocess.run([python, "-c", HAS_RTSP], capture_output=True, check=False).returncode == 0
        return False

    def start(self) -> None:
        script = Path(__file__).parents[2] / "rtsp_server.py"
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self.process = subprocess.Popen([self.python, str(script), str(self.port)], **pipes)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture
def rtsp() -> Iterator[Rtsp]:
    server = Rtsp()
    if not server.python:
        pytest.skip("no RTSP server here: apt install gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good")
    server.start()
    yield server
    server.stop()


def test_an_rtsp_camera_whose_server_is_killed_and_started_again(rtsp: Rtsp) -> None:
    source = open_source(f"rtsp://127.0.0.1:{rtsp.port}/live")
    assert isinstance(source, LiveSource)
    assert back_within(source, rtsp.stop, rtsp.start, 3.0) < 5
    source.close()
    assert source.faults["ended"] + source.faults["silent"] == 1
    assert source.faults["unopened"] >= 1


def test_an_rtsp_camera_that_hangs_and_goes_on(rtsp: Rtsp) -> None:
    """The server's process is stopped: the connection stands, and nothing comes."""
    import os
    import signal

    source = open_source(f"rtsp://127.0.0.1:{rtsp.port}/live")
    assert rtsp.process is not None
    process = rtsp.process.pid
    stop, go = (lambda: os.kill(process, signal.SIGSTOP)), (lambda: os.kill(process, signal.SIGCONT))
    assert back_within(source, stop, go, 6.0) < 5
    source.close()
    assert sum(source.faults.values()) >= 1
