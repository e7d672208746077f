"""A source is opened once: what it gave then is what every scenario is shown."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import SourceError, ToolchainError
from edge.source import open_source
from measure import cli, footage
from measure import record as records
from tests.conftest import DATA


def test_frames_are_those_of_the_source_as_often_as_they_are_asked_for(clip: Path, tmp_path: Path) -> None:
    taken = footage.take(str(clip), 5, tmp_path)
    assert footage.load(tmp_path) == taken
    source = open_source(str(clip))
    expected = [frame for frame, _ in zip(source.frames(), range(5), strict=False)]
    source.close()
    for number, frame in enumerate(expected):
        assert taken.frame(number).time == frame.time
        assert np.array_equal(taken.frame(number).image, frame.image)
    assert len(taken.times) == len(taken.decode_ms) == 5 and min(taken.decode_ms) > 0
    endless = taken.endless()
    assert [next(endless) for _ in range(7)] == [0, 1, 2, 3, 4, 0, 1]
    assert taken.replay == str(clip) and not taken.stills


def test_a_short_source_gives_what_it_has(clip: Path, tmp_path: Path) -> None:
    assert len(footage.take(str(clip), 100, tmp_path).times) == 8


def test_pictures_keep_their_sizes(tmp_path: Path) -> None:
    pictures, folder = tmp_path / "pictures", tmp_path / "footage"
    pictures.mkdir()
    folder.mkdir()
    for name, side in (("a.png", 40), ("b.png", 60)):
        assert cv2.imwrite(str(pictures / name), np.full((side, 50, 3), side, np.uint8))
    taken = footage.take(str(pictures), 10, folder)
    assert [taken.frame(number).image.shape for number in (0, 1)] == [(40, 50, 3), (60, 50, 3)]
    assert taken.stills and taken.times == (None, None)


def test_large_frames_are_taken_until_the_room_is_full(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footage, "MOST_BYTES", 2 * 160 * 128 * 3)
    assert len(footage.take(str(clip), 8, tmp_path).times) == 2


def test_a_source_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        footage.take("no-such.mp4", 3, tmp_path)


def fed(pipe: Path, content: bytes) -> threading.Thread:
    """A pipe that can be read once, as a camera can be opened by one at a time."""
    os.mkfifo(pipe)

    def feed() -> None:
        with pipe.open("wb") as file:
            file.write(content)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    return thread


def test_a_pipe_is_measured_by_every_scenario_and_read_once(
    bundle: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    thread = fed(pipe, clip.read_bytes())
    words = ["--seconds", "0.02", "--starts", "1", "--frames", "10", "--threads", "1", "--source", str(pipe)]
    words += ["--detector", "yunet", "--detector-model", str(DATA / "tiny_yunet.onnx"), "--json"]
    meter = ["--power", "command:echo 2.5", "--power-seconds", "0.2"]
    assert cli.main([str(bundle), *words, *meter]) == 0
    thread.join(5)
    assert not thread.is_alive()
    record = records.of_table(json.loads(capsys.readouterr().out), "what was printed")
    measured = record.engines["onnx"]
    assert measured.frames and measured.frames.raw_faces == (1,) * 10
    assert measured.start.what == "ferlite run" and measured.start.faces_in_first_reading == 1
    assert measured.power and measured.power.unit == "frame"
    assert record.settings.source == "pipe" and record.settings.source_digest is None


def test_what_a_live_source_is_replayed_from_is_the_same_to_the_bit(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "footage"
    folder.mkdir()
    pipe = tmp_path / "pipe"
    fed(pipe, clip.read_bytes())
    taken = footage.take(str(pipe), 8, folder)
    replay = open_source(taken.replay)
    again = list(replay.frames())
    replay.close()
    assert len(again) == len(taken.times) == 8
    for number, frame in enumerate(again):
        assert np.array_equal(frame.image, taken.frame(number).image)


def test_a_source_without_frames_is_said(tmp_path: Path) -> None:
    empty = tmp_path / "shots"
    empty.mkdir()
    with pytest.raises((SourceError, ToolchainError)):
        footage.take(str(empty), 3, tmp_path)
