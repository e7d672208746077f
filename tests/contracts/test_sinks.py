"""ONE contract over every sink of the table: what a run may count on, whatever kind it writes."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import FrameNotSaved, SinkError
from edge.results import Box, Face, FrameReadings, Reading
from edge.sink import Sink, Target, open_sink
from edge.sinks.table import SINKS
from edge.source import Frame

LABELS = ("happiness", "neutral")
PLACES = {"jsonl": "o.jsonl", "csv": "o.csv", "table": "o.txt", "pictures": "folder", "video": "o.mp4"}
TEXTS = [kind for kind, sink in SINKS.items() if sink.named]


def a_frame(source: str = "f.png", index: int = 0, time: float | None = None) -> Frame:
    return Frame(source, index, time, np.full((48, 64, 3), 80, np.uint8))


def readings(frame: Frame, faces: int = 1) -> FrameReadings:
    face = Face(Box(10, 10, 20, 20), 0.9)
    reading = Reading(face, {"happiness": 0.75, "neutral": 0.25}, "happiness", (), None)
    return FrameReadings(frame.source, frame.index, frame.time, 64, 48, (reading,) * faces)


def target(kind: str, folder: Path, **settings: object) -> Target:
    return Target(str(folder / PLACES[kind]), LABELS, rate=10.0, **settings)  # type: ignore[arg-type]


def feed(sink: Sink, *frames: Frame, faces: int = 1) -> None:
    for frame in frames:
        sink.write(frame, readings(frame, faces))


def test_every_kind_is_here() -> None:
    assert set(PLACES) == set(SINKS)


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_written_is_there_after_close_and_nothing_beside_it(kind: str, tmp_path: Path) -> None:
    sink = open_sink(kind, target(kind, tmp_path))
    feed(sink, *(a_frame(f"{n}.png", n, None if kind != "video" else n / 10) for n in range(3)))
    sink.close()
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == [PLACES[kind]]
    place = tmp_path / PLACES[kind]
    assert (len(list(place.iterdir())) == 3) if place.is_dir() else place.stat().st_size > 0


@pytest.mark.parametrize("kind", PLACES)
def test_a_run_without_frames_ends_well(kind: str, tmp_path: Path) -> None:
    open_sink(kind, target(kind, tmp_path)).close()


@pytest.mark.parametrize("kind", PLACES)
def test_a_place_that_cannot_be_is_one_sentence(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError) as caught:
        open_sink(kind, Target(str(tmp_path / "file" / PLACES[kind]), LABELS))
    assert "\n" not in str(caught.value) and PLACES[kind] in str(caught.value)


@pytest.mark.parametrize("kind", PLACES)
def test_names_that_are_not_utf_8_are_written_of(kind: str, tmp_path: Path) -> None:
    sink = open_sink(kind, target(kind, tmp_path))
    feed(sink, a_frame("caf\udce9.png", time=0.0 if kind == "video" else None))
    sink.close()
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    if kind in TEXTS:
        assert b"caf\\udce9.png" in content and content.decode()
    if kind == "jsonl":
        assert json.loads(content)["source"] == "caf\udce9.png"


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_sentence(kind: str) -> None:
    with pytest.raises(SinkError, match="cannot write to '/dev/full': No space left on device"):
        feed(open_sink(kind, Target("/dev/full", LABELS)), a_frame())


@pytest.mark.parametrize("kind", TEXTS)
def test_a_restarted_service_goes_on_where_it_was(kind: str, tmp_path: Path) -> None:
    place = tmp_path / PLACES[kind]
    texts = [""]
    for index in range(2):
        sink = open_sink(kind, target(kind, tmp_path))
        feed(sink, a_frame(f"{index}.png", index))
        sink.close()
        texts.append(place.read_text())
    text, record = texts[-1], texts[-1].removeprefix(texts[-2])
    assert "0.png" in text and "1.png" in record
    if kind == "csv":
        assert [row["source"] for row in csv.DictReader(io.StringIO(text))] == ["0.png", "1.png"]
    # A power cut in the middle of a line costs that line alone; a table, which is for eyes, shows its half.
    half = text.splitlines()[-1][:20]
    with place.open("a") as file:
        file.write(half)
    sink = open_sink(kind, target(kind, tmp_path))
    feed(sink, a_frame("1.png", 1))
    sink.close()
    assert place.read_text() == text + (f"{half}\n" if kind == "table" else "") + record


@pytest.mark.parametrize("kind", TEXTS)
def test_a_log_is_kept_from_growing_without_end(kind: str, tmp_path: Path) -> None:
    sink = open_sink(kind, target(kind, tmp_path, limit=2000))
    feed(sink, *(a_frame(f"{n}.png", n) for n in range(40)))
    sink.close()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {PLACES[kind], f"{PLACES[kind]}.1"}
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    assert "39.png" in (tmp_path / PLACES[kind]).read_text()
    if kind == "csv":
        assert all(path.read_text().startswith("source,frame,") for path in tmp_path.iterdir())


@pytest.mark.parametrize("kind", TEXTS)
def test_a_closed_standard_output_is_one_sentence(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SinkError, match="standard output is closed"):
        open_sink(kind, Target("-", LABELS))


def test_rows_under_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("name,age\nAda,36\n")
    with pytest.raises(SinkError, match="does not begin as this output does: give another file"):
        open_sink("csv", target("csv", tmp_path))
    assert (tmp_path / "o.csv").read_text() == "name,age\nAda,36\n"


def test_a_picture_without_a_face_has_a_row_and_a_video_frame_has_none(tmp_path: Path) -> None:
    sink = open_sink("csv", target("csv", tmp_path))
    feed(sink, a_frame("empty.png"), a_frame("v.mp4", 3, 0.1), faces=0)
    feed(sink, a_frame("two.png"), faces=2)
    sink.close()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "o.csv").read_text())))
    assert [(row["source"], row["face"], row["label"]) for row in rows] == [
        ("empty.png", "", ""),
        ("two.png", "0", "happiness"),
        ("two.png", "1", "happiness"),
    ]


def test_what_cannot_hold_the_overlay_is_saved_as_png(tmp_path: Path) -> None:
    sink = open_sink("pictures", target("pictures", tmp_path))
    feed(sink, *(a_frame(name) for name in ("a.pgm", "b.pbm", "c.jfif", "d.gif", "e.jpg", "f", "a.pgm")))
    sink.close()
    names = sorted(path.name for path in (tmp_path / "folder").iterdir())
    assert names == ["a-2.png", "a.png", "b.png", "c.png", "d.png", "e.jpg", "f.png"]
    assert cv2.imread(str(tmp_path / "folder" / "a.png")).shape == (48, 64, 3)


def test_one_picture_that_cannot_be_saved_is_not_the_end(tmp_path: Path) -> None:
    sink = open_sink("pictures", target("pictures", tmp_path))
    (tmp_path / "folder" / "a.png").mkdir()
    with pytest.raises(FrameNotSaved, match=r"a\.png': it is a folder"):
        feed(sink, a_frame("a.png"))
    feed(sink, a_frame("b.png"))
    assert (tmp_path / "folder" / "b.png").is_file()


def played(path: Path) -> list[float]:
    capture = cv2.VideoCapture(str(path))
    levels = []
    while (got := capture.read())[0]:
        levels.append(float(got[1].mean()))
    capture.release()
    return levels


def test_a_slow_camera_is_played_as_slowly_and_a_pause_is_kept(tmp_path: Path) -> None:
    """Promised are 10 frames a second; there came 4, a pause of two seconds, and one more."""
    sink = open_sink("video", target("video", tmp_path))
    for index, time in enumerate((5.0, 5.25, 5.5, 5.75, 8.0)):
        frame = Frame("0", index, time, np.full((48, 64, 3), 40 * (index + 1), np.uint8))
        sink.write(frame, readings(frame, 0))
    sink.close()
    levels = played(tmp_path / "o.mp4")
    assert len(levels) == 31  # three seconds, and the last frame
    assert [round(levels[at] / 40) for at in (0, 3, 5, 8, 30)] == [1, 2, 3, 4, 5]


def test_frames_that_come_too_fast_are_left_out(tmp_path: Path) -> None:
    sink = open_sink("video", target("video", tmp_path))
    feed(sink, *(a_frame("0", n, n / 100) for n in range(101)), faces=0)
    sink.close()
    assert len(played(tmp_path / "o.mp4")) == 11


def test_a_video_that_cannot_be_read_back_is_no_video(tmp_path: Path) -> None:
    """What a full disk leaves: the writer says nothing, and the file has no end."""
    sink = open_sink("video", target("video", tmp_path))
    feed(sink, *(a_frame("0", n, n / 10) for n in range(5)))
    sink._writer.release()  # type: ignore[attr-defined]
    part = sink._part  # type: ignore[attr-defined]
    part.write_bytes(part.read_bytes()[:200])
    with pytest.raises(SinkError, match="is the disk full"):
        sink.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["12:30.mp4", "50%03d.avi", "ü" * 120 + ".mkv"])
def test_odd_names_of_videos(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sink = open_sink("video", Target(name, LABELS, rate=10))
    feed(sink, *(a_frame("0", n, n / 10) for n in range(3)))
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_video_name_that_opencv_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="OpenCV needs a name in UTF-8"):
        open_sink("video", Target(f"{tmp_path}/caf\udce9.mp4", LABELS))
