"""A pipeline whose engine may hang or crash without taking the run with it.

The engine, the detector and all native code that looks at frames live in a child process. A frame that is
not answered in time, or at which the child dies, is lost and said; the child is killed and a new one
started, which numbers faces on from where the old one was. When starts come too thick they are held back
longer and longer, and frames are lost at once meanwhile. A start that fails costs frames too, and the run
only where it was the first.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from edge.align import Image, check_frame
from edge.bundle import Bundle
from edge.errors import FerliteError, FrameLost
from edge.isolate.wire import Wire
from edge.pipeline import Chosen
from edge.results import Reading
from edge.settings import RunSettings

PATIENCE_S = 10.0  # for a frame, where no watchdog says how long
OPENING_S = 120.0  # an NPU or TensorRT compiles the model when it is first loaded
STORM, STORM_S = 5, 60.0  # so many new starts in so many seconds, then they are held back
LONGEST_HOLD_S = 60.0


class Isolated:
    """The same face as ``edge.pipeline.Pipeline``; use it from one thread at a time.

    ``restarts`` counts the children that had to be replaced.
    """

    def __init__(
        self,
        settings: RunSettings,
        stills: bool,
        patience: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the child. ``patience``: seconds for a frame; 0: half of systemd's watchdog, else PATIENCE_S.

        Raises FerliteError as ``open_pipeline`` does, and FrameLost where the child dies at once.
        """
        watchdog = int(os.environ.get("WATCHDOG_USEC") or 0) / 2_000_000
        self.patience = patience or watchdog or PATIENCE_S
        self.restarts = 0
        self._settings, self._stills = settings, stills
        self._storm = Storm(clock)
        self._process: subprocess.Popen[bytes] | None = None
        self._behind = 1.0
        self._tracks = 0  # the highest number that a face was given
        self.bundle, self.chosen = self._start()

    @property
    def pid(self) -> int | None:
        """The child's process number; None while there is none."""
        return self._process.pid if self._process else None

    def __call__(self, frame: Image, time: float | None = None) -> list[Reading]:
        """Readings of a frame, as a Pipeline gives them. Raises FrameLost where the child hung or died."""
        check_frame(frame, time)
        if self._process is None:
            self._start_again()
        try:
            order = (frame.shape, frame.dtype.str, time, self._behind)
            self._wire.send(order, frame.reshape(-1).data, self.patience)
            answer, _ = self._wire.receive(self.patience)
        except TimeoutError:
            raise self._lost(f"gave no answer for {self.patience:g} s") from None
        except OSError:
            raise self._lost(f"ended ({self._ending()})") from None
        if isinstance(answer, FerliteError):
            raise answer
        readings: list[Reading] = answer
        self._tracks = max([self._tracks, *(reading.track or 0 for reading in readings)])
        return readings

    def restart(self) -> None:
        """Another source begins."""
        if self._process is not None:
            try:
                self._wire.send(None, within=self.patience)
            except OSError:
                self._kill()

    def hurry(self, behind: float) -> None:
        """A camera's frames come ``behind`` times as fast as they are read; the next one tells the child."""
        self._behind = behind

    def close(self) -> None:
        """End the child; a second call does nothing."""
        self._kill()

    def __enter__(self) -> Isolated:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _start(self) -> tuple[Bundle, Chosen]:
        ours, theirs = socket.socketpair()
        self._wire = Wire(ours)
        place = str(Path(__file__).parent.parent.parent)
        paths = os.pathsep.join(filter(None, (place, os.environ.get("PYTHONPATH", ""))))
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "edge.isolate.child", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, "PYTHONPATH": paths},
                    stdin=subprocess.DEVNULL,
                )
            except OSError:
                self._wire.close()
                raise
        try:
            self._wire.send((self._settings, self._stills, self._tracks + 1), within=OPENING_S)
            answer, _ = self._wire.receive(OPENING_S)
        except OSError as error:
            ending = self._ending()
            self._kill()
            raise FrameLost(f"the engine's process ended before it was ready ({ending})") from error
        if isinstance(answer, FerliteError):
            self._kill()
            raise answer
        bundle, chosen = answer
        return bundle, chosen

    def _start_again(self) -> None:
        hold = self._storm.hold()
        if hold > 0:
            raise FrameLost(
                f"the engine's process ended {STORM} times in a minute: the next start is in {hold:.0f} s"
            )
        self._storm.started()
        self.restarts += 1
        try:
            self._start()
        except FrameLost:
            raise
        except (FerliteError, OSError) as error:  # what was there at the first start may be there again
            raise FrameLost(f"the engine cannot be started anew: {error}") from error

    def _lost(self, what: str) -> FrameLost:
        """The error for the frame at hand; a new child is started at once, unless that is held back."""
        self._kill()
        try:
            self._start_again()
        except FrameLost as error:
            return FrameLost(f"the engine's process {what}, and a frame is lost; {error}")
        return FrameLost(f"the engine's process {what}: it was started anew, and a frame is lost")

    def _ending(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "it closed its end"
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _kill(self) -> None:
        if self._process is not None:
            self._wire.close()
            self._process.kill()
            self._process.wait()
            self._process = None


class Storm:
    """When a child may be started anew: at once, and in a storm after holds that double."""

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        self._clock, self._jitter = clock, jitter
        self._starts: deque[float] = deque(maxlen=STORM)
        self._until, self._hold = 0.0, 0.0

    def hold(self) -> float:
        """Seconds until a start is allowed, 0 where it is now."""
        return max(0.0, self._until - self._clock())

    def started(self) -> None:
        """A child was started anew."""
        now = self._clock()
        self._starts.append(now)
        thick = len(self._starts) == STORM and now - self._starts[0] <= STORM_S
        held_in_vain = self._hold > 0 and now - self._until <= STORM_S
        if not (thick or held_in_vain):
            self._hold = 0.0
        else:
            self._hold = min(LONGEST_HOLD_S, max(1.0, 2 * self._hold))
        # Services that lost the same thing must not all come back in the same second.
        self._until = now + self._hold * (1 + 0.5 * self._jitter())
