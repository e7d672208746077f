"""Cameras and streams that do not end, kept running through what happens to them.

A thread reads, so that a driver that hangs holds up nobody, and keeps the latest frame alone: whoever is
slower than the camera sees what is there now. What stops, hangs, freezes or goes black is opened again.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from edge.align import Image
from edge.errors import FerliteError, SourceBack, SourceError, SourceFault
from edge.source import Frame
from edge.sources.capture import as_bgr
from edge.sources.timeline import sane_rate

# ended: it says that there is no more (unplugged, EIO, connection closed). silent: it says nothing.
# missed: reads that gave nothing for a moment. unopened: an attempt to open it again that failed.
Fault = Literal["ended", "silent", "undecodable", "frozen", "black", "size", "missed", "unopened"]
DARK = 8  # levels: no sensor that works is darker than its own noise
STEP = 16  # pixels between those that are compared: a thousand of them never stay alike by chance
SLICE = 0.5  # seconds; a longer wait than this is time in which the whole program stood still
PAUSE = 0.02  # seconds between reads that give nothing
OLDEST_STAMP = 1.0  # seconds before a frame comes: so long no camera keeps it
MOST_HANGING = 4  # threads that a driver may hold for good


@dataclass(frozen=True)
class Patience:
    """Seconds until something is a fault, and between attempts: what is back is found again within five."""

    silence: float = 2.0  # without a frame; a slow camera has four of its own intervals
    lifeless: float = 3.0  # of the same picture, or of black; doubled each time that opening did not help
    most_lifeless: float = 600.0
    missed: float = 0.5  # of reads that give nothing
    opening: float = 8.0  # from an attempt to its first frame
    first_wait: float = 0.25  # before the second attempt; doubled for each that fails, give or take a quarter
    most_wait: float = 2.0


class LiveSource:
    """A camera or stream, timed by the clock that no setting of the time moves.

    ``opener`` opens it, a first time at once, and raises SourceError where it cannot. Where it fails later it
    is opened again until it works or ``close`` is called, and every fault is counted in ``faults`` and
    yielded as a SourceFault. ``endless`` False: its end is none. ``stamped``: it says when a frame was taken,
    by the monotonic clock in milliseconds, as its position. ``dropped`` counts frames that nobody was
    there for.
    """

    stills, total = False, 0

    def __init__(
        self,
        name: str,
        opener: Callable[[], Any],
        endless: bool = True,
        patience: Patience | None = None,
        stamped: bool = False,
    ) -> None:
        self._name, self._opener, self._endless, self._stamped = name, opener, endless, stamped
        self._patience = patience or Patience()
        self.faults: Counter[str] = Counter()
        self.dropped = 0
        self._closed = threading.Event()
        self._hanging: list[_Reader] = []
        first = opener()
        self.rate = sane_rate(float(first.get(cv2.CAP_PROP_FPS) or 0))
        self._reader = _Reader(lambda: first, self._patience, stamped)

    def frames(self) -> Iterator[Frame | FerliteError]:
        """Frames for as long as they come, and the faults between. Raises SourceError if a driver hangs."""
        began = last = 0.0
        life, index = _Life(self._patience), 0
        shape: tuple[int, ...] = ()
        self._reader.start()
        while True:
            # How often frames come is known from the second on.
            usual = 4 * life.interval if life.interval else self._patience.opening
            taken = self._take(max(self._patience.silence, usual))
            if self._closed.is_set():
                self._reader.stop()  # one that was opened anew meanwhile
                return
            if isinstance(taken, _Failure):
                if taken.kind == "ended" and not self._endless and index:
                    return
                yield self._fault(taken.kind, f"{taken.what} after {index} frames: it is opened again")
                yield from self._reopen()
                life.gap()
                continue
            if taken.missed:
                yield self._fault("missed", "gave nothing for a moment")
            if index and taken.image.shape[:2] != shape:
                high, wide = taken.image.shape[:2]
                yield self._fault("size", f"changed from {shape[1]} x {shape[0]} to {wide} x {high} pixels")
            shape = taken.image.shape[:2]
            began = began or taken.stamp
            last = max(taken.stamp, float(np.nextafter(last, np.inf)))
            yield Frame(self._name, index, last - began, taken.image, taken.stamp, taken.dropped)
            index += 1
            if kind := life.lacks(taken.image, taken.stamp):
                what = "shows the same picture" if kind == "frozen" else "is black"
                yield self._fault(kind, f"{what} for {life.waited:.0f} s: it is opened again")
                yield from self._reopen()
                life.gap()

    def _take(self, limit: float) -> _Taken | _Failure:
        """The next frame, or why there is none within ``limit`` seconds of this program's own running."""
        waited = 0.0
        while waited < limit:
            began = time.monotonic()
            taken = self._reader.take(min(SLICE, limit - waited))
            if taken is not None:
                self.dropped += taken.dropped if isinstance(taken, _Taken) else 0
                return taken
            if self._closed.is_set():
                return _Failure("ended", "was closed")
            waited += min(time.monotonic() - began, 2 * SLICE)
        return _Failure("silent", f"gave no frame for {waited:.1f} s")

    def _reopen(self) -> Iterator[FerliteError]:
        """Open it until a frame comes; the attempts that fail are counted, and the first of them is said."""
        lost, wait, attempts = time.monotonic(), 0.0, 0
        while not self._closed.wait(wait * random.uniform(0.75, 1.25)):
            self._retire()
            self._reader = _Reader(self._opener, self._patience, self._stamped)
            self._reader.start()
            if self._reader.has_frame(self._patience.opening):
                yield SourceBack(f"'{self._name}' is back after {time.monotonic() - lost:.1f} s")
                return
            attempts += 1
            fault = self._fault("unopened", "cannot be opened again yet: it is tried until it can")
            if attempts == 1:
                yield fault
            wait = min(self._patience.most_wait, max(self._patience.first_wait, 2 * wait))

    def _retire(self) -> None:
        """Have the reader let go of the device, which nobody else can open before it does."""
        self._reader.stop()
        self._reader.join(SLICE)
        self._hanging = [reader for reader in (*self._hanging, self._reader) if reader.is_alive()]
        if len(self._hanging) > MOST_HANGING:
            raise SourceError(f"'{self._name}' hangs inside its driver: start again")

    def _fault(self, kind: Fault, what: str) -> SourceFault:
        self.faults[kind] += 1
        return SourceFault(f"'{self._name}' {what}")

    def close(self) -> None:
        """Release the camera; a read that hangs is left to itself."""
        self._closed.set()
        self._reader.stop()
        if self._reader.is_alive():
            self._reader.join(self._patience.silence)
        elif not self._reader.began:
            self._reader.run()  # it was never read: it is opened, released and done


@dataclass(frozen=True)
class _Taken:
    image: Image
    stamp: float  # time.monotonic() when it was captured, as far as that is known
    missed: bool
    dropped: int


@dataclass(frozen=True)
class _Failure:
    kind: Fault
    what: str


class _Reader(threading.Thread):
    """Reads one opening until it fails or is told to stop; it alone touches the capture."""

    def __init__(self, opener: Callable[[], Any], patience: Patience, stamped: bool) -> None:
        super().__init__(name="ferlite-camera", daemon=True)
        self._opener, self._patience, self._stamped = opener, patience, stamped
        self._news = threading.Condition()
        self._latest: _Taken | None = None
        self._failure: _Failure | None = None
        self._stopped = self.began = False

    def run(self) -> None:
        """Open, read, release."""
        self.began = True
        capture = None
        try:
            capture = self._opener()
            failure = self._read(capture)
        except Exception as error:  # whatever it is, nobody else would hear of it
            failure = _Failure("unopened", f"cannot be opened: {error}")
        finally:
            if capture is not None:
                capture.release()
        with self._news:
            self._failure = failure
            self._news.notify_all()

    def _read(self, capture: Any) -> _Failure:
        nothing_since, missed = 0.0, False
        while not self._stopped:
            try:
                good, image = capture.read()
                image = as_bgr(image) if good and image is not None and image.size else None
            except cv2.error:
                return _Failure("undecodable", "cannot be decoded")
            now = time.monotonic()
            if image is not None:
                self._put(image, self._captured(capture, now), missed)
                nothing_since, missed = 0.0, False
                continue
            # A driver may say for a while that it has nothing yet (EAGAIN), and that must not burn a core.
            nothing_since, missed = nothing_since or now, True
            if now - nothing_since >= self._patience.missed:
                return _Failure("ended", "gives no more frames")
            time.sleep(PAUSE)
        return _Failure("ended", "was closed")

    def _captured(self, capture: Any, now: float) -> float:
        """When a frame that came ``now`` was taken: some drivers know better, and others stamp nonsense."""
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if self._stamped else now
        return stamp if now - OLDEST_STAMP < stamp < now else now

    def _put(self, image: Image, stamp: float, missed: bool) -> None:
        with self._news:
            before = self._latest
            dropped = 0 if before is None else before.dropped + 1
            self._latest = _Taken(image, stamp, missed or (before is not None and before.missed), dropped)
            self._news.notify_all()

    def take(self, timeout: float) -> _Taken | _Failure | None:
        """The latest frame, once; the failure when there are no more; None after ``timeout`` seconds."""
        with self._news:
            self._news.wait_for(lambda: self._latest or self._failure, timeout)
            taken, self._latest = self._latest, None
            return taken or self._failure

    def has_frame(self, timeout: float) -> bool:
        """Whether a frame came within ``timeout`` seconds; it stays to be taken."""
        with self._news:
            self._news.wait_for(lambda: self._latest or self._failure, timeout)
            return self._latest is not None

    def stop(self) -> None:
        """Read no more."""
        self._stopped = True


class _Life:
    """Whether the pictures change, and how often they come."""

    def __init__(self, patience: Patience) -> None:
        self._first, self._most = patience.lifeless, patience.most_lifeless
        self._patience = patience.lifeless
        self._sample: Image | None = None
        self._since: float | None = None
        self._before: float | None = None
        self.interval = self.waited = 0.0

    def gap(self) -> None:
        """A fault lies before the next picture: the time since the last one is no interval."""
        self._before = None

    def lacks(self, image: Image, stamp: float) -> Fault | None:
        """What this picture, that came at ``stamp``, has lacked for too long."""
        if self._before is not None:
            between = stamp - self._before
            self.interval = between if not self.interval else 0.8 * self.interval + 0.2 * between
        self._before = stamp
        sample = image[STEP // 2 :: STEP, STEP // 2 :: STEP] if min(image.shape[:2]) > STEP else image
        dark = int(sample.max()) < DARK
        if self._since is None or not (
            dark or (self._sample is not None and np.array_equal(sample, self._sample))
        ):
            self._sample, self._since, self._patience = sample.copy(), stamp, self._first
            return None
        if stamp - self._since < self._patience:
            return None
        self.waited, self._since = stamp - self._since, stamp
        self._patience = min(self._most, 2 * self._patience)
        return "black" if dark else "frozen"
