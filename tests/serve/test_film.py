"""The video: newest frame only, hidden faces, and a run that no viewer slows down."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.results import Box, Face, FrameReadings, Reading
from tests.serve.conftest import Live

pytest.importorskip("aiohttp", reason="ferlite serve needs aiohttp: pip install 'ferlite[serve]'")

from edge.serve.film import WIDEST, encode
from edge.serve.played import open_played
from edge.source import Frame

Start = Callable[..., Live]
INSIDE = (slice(36, 60), slice(68, 92))  # inside the face, clear of its box


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    for _ in range(int(seconds / 0.05)):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("did not come true")


def test_the_video_shows_the_frame_with_its_overlay(start: Start, frames: list[np.ndarray]) -> None:
    picture = start(video=True).picture()
    assert picture.shape == frames[0].shape
    assert picture[INSIDE].std() > 10
    assert (picture.max(2) - picture.min(2)).max() > 60, "nothing coloured in a grey film"


def test_a_film_at_a_file_address_begins_again_at_its_end(film: Path) -> None:
    with closing(open_played(f"file://{film}")) as source:
        times = [frame.time for frame in islice(source.frames(), 25) if isinstance(frame, Frame)]
    assert times == pytest.approx([index / 20 for index in range(25)])


def test_privacy_hides_the_face_before_it_leaves_the_process(start: Start) -> None:
    hidden = start(video=True, privacy=True).picture()
    # 6 blocks across the widened face: what is left varies from block to block and not from pixel to pixel.
    assert hidden[INSIDE].std() < 10


def test_events_say_what_is_read(start: Start) -> None:
    live = start(video=True)
    until(lambda: live.vitals.frames > 3)
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as connection:
        connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        seen = b""
        while b"\n\n" not in seen.partition(b"data: ")[2]:
            seen += connection.recv(65536)
    message = json.loads(seen.partition(b"data: ")[2].partition(b"\n\n")[0])
    assert message["video"] and message["labels"][0] == "anger"
    assert message["reading"]["faces"][0]["weights"].keys() == set(message["labels"])
    assert message["fps"] > 0 and message["latency_ms"] > 0 and message["faults"] == 0


def test_a_viewer_that_takes_nothing_costs_no_frame(start: Start) -> None:
    live = start(video=True)
    stalled = []
    for _ in range(5):
        connection = socket.create_connection(("127.0.0.1", live.port), timeout=30)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /video HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stalled.append(connection)
    until(lambda: live.vitals.frames >= 5)
    before, began = live.vitals.frames, time.monotonic()
    until(lambda: live.vitals.frames >= before + 30)
    # The film has 20 frames a second, so that 30 take 1.5 s: one wait for a viewer would take STALL, 10 s.
    assert time.monotonic() - began < 8
    assert live.picture().size > 0, "others see on"
    for connection in stalled:
        connection.close()


def test_nobody_looking_means_nothing_is_copied(frames: list[np.ndarray]) -> None:
    from edge.serve.film import Newest
    from edge.source import Frame

    newest = Newest(privacy=True)
    frame = Frame("film", 0, 0.0, frames[0])
    result = FrameReadings("film", 0, 0.0, 320, 256, ())
    began = time.process_time()
    for _ in range(10_000):
        newest.write(frame, result)
    assert time.process_time() - began < 1  # 10,000 copies of the frame would take longer
    assert newest.result is result


def test_large_frames_are_sent_smaller() -> None:
    box = Box(100, 100, 400, 400)
    reading = Reading(Face(box), {"anger": 0.1, "neutral": 0.9}, "neutral", (), 1)
    picture = encode(np.zeros((1080, 1920, 3), np.uint8), FrameReadings("x", 0, 0.0, 1920, 1080, (reading,)))
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (540, WIDEST, 3)
