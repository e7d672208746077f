"""What holds of every kind of source: frames with rising times, one close, failures in one sentence."""

from __future__ import annotations

import importlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.errors import FerliteError, SourceError
from edge.source import Frame, Source, open_source
from edge.sources.table import SOURCES
from tests.edge.sources.test_sources import VARIABLE, server  # noqa: F401 - a fixture
from tests.media import make, write_picture, write_video

Opener = Callable[[], Source]


def _fifo(folder: Path) -> str:
    video = make(folder / "piped.mkv", "-pix_fmt", "yuv420p")
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    threading.Thread(target=lambda: fifo.write_bytes(video.read_bytes()), daemon=True).start()
    return str(fifo)


KINDS: dict[str, Callable[[Path], str]] = {
    "picture": lambda folder: str(write_picture(folder / "a.png")),
    "folder": lambda folder: str(write_picture(folder / "a.png").parent),
    "glob": lambda folder: str(write_picture(folder / "a.png").with_name("*.png")),
    "video": lambda folder: str(write_video(folder / "v.avi")),
    "variable rate": lambda folder: str(make(folder / "v.webm", *VARIABLE)),
    "raw stream": lambda folder: str(make(folder / "v.h264", "-pix_fmt", "yuv420p")),
    "moving gif": lambda folder: str(make(folder / "v.gif", "-t", "0.5")),
    "pipe": _fifo,
    "http": lambda folder: str(write_video(folder / "v.avi")),
}


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    spec = KINDS[request.param](tmp_path)
    if request.param == "http":
        spec = f"http://{request.getfixturevalue('server')}/{Path(spec).name}"
    opened = open_source(spec)
    yield opened
    opened.close()


def test_frames_are_pictures_in_order_with_rising_times(source: Source) -> None:
    frames = list(source.frames())
    assert frames
    assert all(isinstance(frame, Frame) for frame in frames)
    assert [frame.index for frame in frames] == list(range(len(frames)))  # type: ignore[union-attr]
    times = []
    for frame in frames:
        assert isinstance(frame, Frame)
        assert frame.image.dtype == np.uint8
        assert frame.image.shape[2:] == (3,)
        assert frame.source
        times.append(frame.time)
    if source.stills:
        assert set(times) == {None}
    else:
        assert times[0] == 0
        assert all(a < b for a, b in itertools.pairwise(times))


def test_what_it_says_of_itself_is_of_use(source: Source) -> None:
    assert isinstance(source.total, int)
    assert source.total >= 0
    assert 0 <= source.rate <= 500
    assert source.stills == (source.rate == 0 and source.total > 0)


def test_it_closes_twice_and_before_its_end(source: Source) -> None:
    next(iter(source.frames()))
    source.close()
    source.close()


@pytest.mark.parametrize("content", [b"", b"junk" * 40, bytes(range(256)) * 8])
@pytest.mark.parametrize("name", ["a.png", "v.mp4", "a", "v.avi"])
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError) as caught:
        for item in open_source(str(tmp_path / name)).frames():
            if isinstance(item, FerliteError):
                raise item
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_table_names_modules_that_claim_and_open() -> None:
    for module in SOURCES.values():
        kind = importlib.import_module(module)
        assert callable(kind.claims)
        assert callable(kind.source)
        assert kind.claims("no such thing") == (module == list(SOURCES.values())[-1])


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("0", "camera"),
        ("/dev/video3", "camera"),
        ("picamera2", "picamera2"),
        ("picamera2:1", "picamera2"),
        ("rtsp://x/", "stream"),
        ("HTTPS://x/", "stream"),
        ("udp://@:5000", "stream"),
        ("videotestsrc ! appsink", "gstreamer"),
        ("-", "pipe"),
        ("a.mp4", "video"),
        ("12:30.mp4", "video"),
    ],
)
def test_each_spec_is_of_one_kind(spec: str, kind: str) -> None:
    claims = (name for name, module in SOURCES.items() if importlib.import_module(module).claims(spec))
    assert next(claims) == kind
