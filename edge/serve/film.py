"""From the newest frame to a JPEG for all viewers.

The viewers' side asks for a frame and the pipeline's thread hands over the next that comes along: nobody
looking costs nothing, a slow viewer misses frames, and inference never waits.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import cv2

from edge.align import Image
from edge.results import FrameReadings, Moment
from edge.sinks.overlay import draw, hide_faces
from edge.source import Frame

Shot = tuple[Image, FrameReadings]

RATE = 15.0  # pictures per second at most: a viewer sees motion, and inference keeps the processor
BUSY_RATE = 2.0  # of them while posted pictures queue: those are waited for, and a viewer sees the next one
WIDEST = 960  # pixels of what is sent
QUALITY = 75  # of the JPEG
MOVEMENTS = 16  # of those that came and went: the last are kept for who looks
NICE = 10  # of all that serves: what reads faces goes first


class Newest:
    """The sink: hands the next frame over when it was asked for. With ``privacy``, without its faces."""

    def __init__(self, privacy: bool) -> None:
        self.name = "the live page"
        self._privacy = privacy
        self._lock = threading.Lock()
        self._asked: tuple[asyncio.AbstractEventLoop, asyncio.Future[Shot]] | None = None
        self.result: FrameReadings | None = None
        # Numbered, because who looks five times a second sees the newest frame and not the one that told.
        self.movements: tuple[tuple[int, Moment], ...] = ()
        self._told = 0

    def write(self, frame: Frame, result: FrameReadings) -> None:
        """The newest frame. Copied only where somebody waits for it: the source may use its buffer again."""
        self.result = result
        for moment in result.moments or ():
            self._told += 1
            self.movements = (*self.movements, (self._told, moment))[-MOVEMENTS:]
        with self._lock:
            asked, self._asked = self._asked, None
        if asked is None:
            return
        # Here and not later: what leaves this thread must be what the readings belong to.
        image = hide_faces(frame.image, result.readings) if self._privacy else frame.image.copy()
        loop, future = asked
        try:
            loop.call_soon_threadsafe(_answer, future, (image, result))
        except RuntimeError:
            return  # the loop is closed: the server has ended

    def close(self) -> None:
        """No more frames."""
        self.result = None

    async def next(self) -> Shot:
        """The next frame, uint8 [H, W, 3] BGR, and its readings."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Shot] = loop.create_future()
        with self._lock:
            self._asked = (loop, future)
        return await future


class Film:
    """Encodes frames while there are viewers, once for all of them. Lives in one event loop.

    ``busy``: whether something else that is served has to be done first.
    """

    def __init__(self, newest: Newest, busy: Callable[[], bool] = lambda: False) -> None:
        self._newest, self._busy = newest, busy
        self._encoder = ThreadPoolExecutor(1, "ferlite-film", partial(be_nice, NICE))
        self._seen = asyncio.Event()  # set while there are viewers
        self._fresh = asyncio.Event()
        self.viewers = 0
        self.number, self.picture = 0, b""

    @contextmanager
    def viewer(self) -> Iterator[None]:
        """Somebody looks on."""
        self.viewers += 1
        self._seen.set()
        try:
            yield
        finally:
            self.viewers -= 1
            if not self.viewers:
                self._seen.clear()

    async def after(self, number: int) -> tuple[int, bytes]:
        """The newest picture's number and JPEG, once there is one other than ``number``."""
        while self.number == number:
            await self._fresh.wait()
        return self.number, self.picture

    async def roll(self) -> None:
        """Encode for as long as the server lives."""
        loop = asyncio.get_running_loop()
        while True:
            await self._seen.wait()
            began = loop.time()
            image, result = await self._newest.next()
            self.picture = await loop.run_in_executor(self._encoder, encode, image, result)
            self.number += 1
            fresh, self._fresh = self._fresh, asyncio.Event()
            fresh.set()
            rate = BUSY_RATE if self._busy() else RATE
            await asyncio.sleep(max(0.0, began + 1 / rate - loop.time()))

    def close(self) -> None:
        """End the encoder's thread."""
        self._encoder.shutdown(wait=False, cancel_futures=True)


def encode(image: Image, result: FrameReadings) -> bytes:
    """The uint8 [H, W, 3] BGR frame with its overlay as a JPEG, at most WIDEST pixels wide."""
    picture = draw(image, result.readings)
    height, width = picture.shape[:2]
    if width > WIDEST:
        size = (WIDEST, max(1, round(height * WIDEST / width)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])


def be_nice(by: int) -> None:
    """Let the calling thread, and those that it starts, have only what the others leave (Linux)."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), by)


def _answer(future: asyncio.Future[Shot], shot: tuple[Image, FrameReadings]) -> None:
    if not future.done():
        future.set_result(shot)
