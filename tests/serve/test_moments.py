"""Movements that come and go, as ``ferlite serve --moments`` tells them: the very ones of ``ferlite run``."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import cli
from edge.results import FrameReadings, Moment
from edge.source import Frame
from tests.edge.moments.acted import write_film
from tests.serve.conftest import Live

pytest.importorskip("aiohttp", reason="ferlite serve needs aiohttp: pip install 'ferlite[serve]'")

from edge.serve.film import MOVEMENTS, Newest
from tests.serve.test_command import serving

PATIENCE = 120.0  # seconds: the film takes three, where nothing else is at work


def messages(address: str) -> Iterator[dict[str, Any]]:
    """What ``/events`` sends, for as long as somebody waits for it."""
    until = time.monotonic() + PATIENCE
    with urllib.request.urlopen(address.rstrip("/") + "/events", timeout=PATIENCE) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])
            assert time.monotonic() < until, "no movement was told"


def test_the_live_page_is_told_what_run_tells(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    film = write_film(tmp_path / "film.avi", 100)
    words = ["--detector", "haar", "--threads", "1", "--moments", "--quiet"]
    assert cli.main(["run", str(film), "--json", *words]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (wanted,) = [each for line in lines for each in line["moments"] if each["kind"] == "micro"]
    order = [sys.executable, "-m", "edge.cli", "serve", "film.avi", "--listen", "0", *words]
    with serving(order, tmp_path) as (_, address):
        told = next(message["moments"] for message in messages(address) if message["moments"])
    assert {**told[0], "number": 0} == {**wanted, "number": 0} and told[0]["number"] == 1


def test_none_is_missed_between_two_messages_and_the_last_are_kept() -> None:
    newest, frame = Newest(False), Frame("film", 0, 0.0, np.zeros((8, 8, 3), np.uint8))
    for count in range(MOVEMENTS + 4):
        moment = Moment("micro", 1, count, count + 0.1, count + 0.2, ("nose",), None, {})
        newest.write(frame, FrameReadings("film", count, 0.0, 8, 8, (), moments=(moment,)))
        newest.write(frame, FrameReadings("film", count, 0.0, 8, 8, (), moments=()))
    assert [number for number, _ in newest.movements] == list(range(5, MOVEMENTS + 5))
    assert newest.movements[-1][1].onset == MOVEMENTS + 3


def test_without_moments_the_page_gets_none(start: Callable[..., Live]) -> None:
    live = start(video=True)
    message = next(messages(f"http://127.0.0.1:{live.port}"))
    assert message["moments"] == [] and "moments" not in (message["reading"] or {})


def test_without_a_source_there_is_nothing_to_watch(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--moments", "--listen", "0"]) == 2
    error = capfd.readouterr().err
    assert "give serve a video, a camera or a stream" in error and error.count("\n") == 1
