"""What a run is doing, counted where it happens: the live page, Prometheus and MQTT show it.

Written by the run's threads, each number by one of them, and read by any other; a reader may see a frame's
numbers before its neighbour's, and never waits.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator, Mapping

from edge.errors import FerliteError, SourceBack
from edge.live.spread import Spread
from edge.live.temperature import temperature
from edge.results import FrameReadings
from edge.source import Frame, Source

# Upper bounds of the latency histogram, in seconds: around a frame at 60, 30 and 15 a second.
LATENCIES = (0.002, 0.005, 0.01, 0.02, 0.033, 0.05, 0.066, 0.1, 0.2, 0.5, 1.0, 2.0)
SPAN = 3.0  # seconds over which frames per second are counted
TEMPERATURE_EVERY = 2.0  # seconds: reading a sensor can take milliseconds


class Vitals:
    """Counts a run's frames, faces, faults and latency; ``watch`` wraps the source."""

    def __init__(self) -> None:
        self.frames, self.faces = 0, 0
        self.faults: Counter[str] = Counter()  # by the error's class
        self.last_fault = ""
        self.missed = 0  # frames of a camera that came while others were read
        self.losses: dict[str, int] = {}  # frames that a way out lost, by its name
        self.latencies = [0] * (len(LATENCIES) + 1)  # counts by LATENCIES, the last one above all
        self.latency_sum = 0.0
        self.latency: float | None = None
        self.spread = Spread()  # of the latencies in seconds
        self._span: tuple[float, float] | None = None
        self._passed: deque[float] = deque(maxlen=512)
        self._temperature: tuple[float, float | None] = (float("-inf"), None)

    def watch(self, source: Source) -> Source:
        """The source, with what it missed and its faults counted."""
        return _Watched(source, self)

    def fault(self, error: FerliteError) -> None:
        """The source failed, for a frame or for good; that it is back is no fault."""
        if isinstance(error, SourceBack):
            return
        self.faults[type(error).__name__] += 1
        self.last_fault = str(error)

    def passed(self, result: FrameReadings) -> None:
        """A frame was read."""
        now = time.monotonic()
        self.frames += 1
        self.faces += len(result.readings)
        self._passed.append(now)
        self._span = (self._span or (now,))[0], now
        if result.latency is not None:
            self.latency = result.latency
            self.latency_sum += self.latency
            self.latencies[bisect_left(LATENCIES, self.latency)] += 1
            self.spread.add(self.latency)

    @property
    def fps(self) -> float:
        """Frames per second over the last seconds; 0 where none came."""
        since = time.monotonic() - SPAN
        recent = [moment for moment in tuple(self._passed) if moment >= since]
        # Up to now and not to the last frame, so that a stall shows while it lasts.
        return (len(recent) - 1) / max(time.monotonic() - recent[0], 1e-6) if len(recent) > 1 else 0.0

    @property
    def mean_fps(self) -> float:
        """Frames per second from the first to the last; 0 where there are not two."""
        begin, end = self._span or (0.0, 0.0)
        return (self.frames - 1) / (end - begin) if end > begin else 0.0

    def summary(self) -> str:
        """What was done and how long a frame took, for the end of a run; "" where no video was read."""
        median, late = (self.spread.quantile(share) for share in (0.5, 0.95))
        if median is None or late is None:
            return ""
        said = f"{self.frames:,} frames at {self.mean_fps:.1f} a second, {self.faces:,} faces"
        said += f"; from capture to reading {1000 * median:.1f} ms, 95 % within {1000 * late:.1f} ms"
        return said + (f"; {self.missed:,} frames missed" if self.missed else "")

    @property
    def temperature(self) -> float | None:
        """Degrees Celsius, a few seconds old at most; None where nothing tells."""
        now = time.monotonic()
        if now - self._temperature[0] > TEMPERATURE_EVERY:
            self._temperature = (now, temperature())
        return self._temperature[1]

    def as_json(self) -> Mapping[str, object]:
        """All of it, as JSON types: latency in milliseconds, temperature in degrees Celsius."""
        degrees = self.temperature
        return {
            "frames": self.frames,
            "faces_read": self.faces,
            "fps": round(self.fps, 1),
            "missed": self.missed,
            "latency_ms": None if self.latency is None else round(1000 * self.latency, 1),
            "temperature_c": None if degrees is None else round(degrees, 1),
            "faults": sum(self.faults.values()),
            "last_fault": self.last_fault,
            "lost": dict(self.losses),
        }


class _Watched:
    """A source whose misses and faults are counted as they come."""

    def __init__(self, source: Source, vitals: Vitals) -> None:
        self._source, self._vitals = source, vitals
        self.total, self.stills, self.rate = source.total, source.stills, source.rate
        self.faults = source.faults

    def frames(self) -> Iterator[Frame | FerliteError]:
        """The source's."""
        try:
            for item in self._source.frames():
                if isinstance(item, FerliteError):
                    self._vitals.fault(item)
                else:
                    self._vitals.missed += item.missed
                yield item
        except FerliteError as error:
            self._vitals.fault(error)
            raise

    def close(self) -> None:
        """Close the source."""
        self._source.close()
