"""A live server of a real run: the tiny bundle, the tiny detector and a video that goes round and round."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import engine as engines
from edge.detect import DetectorOptions
from edge.errors import FerliteError
from edge.live.vitals import Vitals
from edge.pipeline import Pipeline, open_pipeline
from edge.run import run
from edge.source import Frame
from edge.track import Tracker

pytest.importorskip("aiohttp", reason="ferlite serve needs aiohttp: pip install 'ferlite[serve]'")

from edge.live.listen import Address
from edge.serve.film import Newest
from edge.serve.played import open_played
from edge.serve.server import Server, Show
from edge.serve.stills import Stills

DATA = Path(__file__).parent.parent / "data"
FACE = (slice(32, 64), slice(64, 96))  # what tiny_yunet.onnx takes for a face


@dataclass
class Live:
    """A server and what feeds it."""

    port: int
    vitals: Vitals
    newest: Newest

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request and its whole answer; ``_`` in a header's name stands for ``-``."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer, answer.read()

    def picture(self, path: str = "/video") -> np.ndarray:
        """The first picture of the video, uint8 [H, W, 3] BGR."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200
            lines = iter(answer.readline, b"\r\n")
            size = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"Content-Length"))
            answer.readline()
            return np.asarray(cv2.imdecode(np.frombuffer(answer.read(size), np.uint8), cv2.IMREAD_COLOR))


class Until:
    """The source until the test is over."""

    def __init__(self, source: object, over: threading.Event) -> None:
        self._source, self._over = source, over
        self.total, self.stills, self.rate = 0, False, 20.0
        self.faults: dict[str, int] = {}

    def frames(self) -> Iterator[Frame | FerliteError]:
        for frame in self._source.frames():
            if self._over.is_set():
                return
            yield frame

    def close(self) -> None:
        self._source.close()


@pytest.fixture
def frames() -> list[np.ndarray]:
    """A second of video: a face of bright noise that does not move."""
    rng = np.random.default_rng(0)
    frame = np.full((256, 320, 3), 30, np.uint8)
    frame[FACE] = rng.integers(180, 256, (32, 32, 3))
    return [frame] * 20


@pytest.fixture
def film(frames: list[np.ndarray], tmp_path: Path) -> Path:
    """The video as a file."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"FFV1"), 20, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return tmp_path / "film.avi"


@pytest.fixture
def open_tiny(make_bundle: Callable[..., Path]) -> Callable[[], Pipeline]:
    """Opens the tiny pipeline, as one for stills or for video."""
    try:
        engines.choose("auto", ["onnx"])
    except FerliteError as error:
        pytest.skip(str(error))
    bundle = make_bundle()
    options = DetectorOptions(size=320, model=DATA / "tiny_yunet.onnx")
    return lambda: open_pipeline(bundle, detector="yunet", detector_options=options, tracker=Tracker())


@pytest.fixture
def start(open_tiny: Callable[[], Pipeline], film: Path) -> Iterator[Callable[..., Live]]:
    """Starts a server; ``video`` shows the film meanwhile."""
    over, ends = threading.Event(), []

    def start(token: str = "", privacy: bool = False, video: bool = False, host: str = "127.0.0.1") -> Live:
        vitals, newest = Vitals(), Newest(privacy)
        labels = None
        if video:
            pipeline, source = open_tiny(), Until(open_played(str(film)), over)
            labels = pipeline.bundle.labels
            thread = threading.Thread(target=run, args=(pipeline, source, [newest], vitals))
            ends.extend([pipeline.close, source.close, thread.join])
        server = Server(Address(host, 0), token, Show(newest, vitals, Stills(open_tiny), labels))
        ends.append(server.close)
        if video:
            thread.start()
        return Live(server.port, vitals, newest)

    yield start
    over.set()
    for end in reversed(ends):
        end()
