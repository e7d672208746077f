"""The times that a container promises, made to rise."""

from __future__ import annotations

USUAL_RATE = 25.0  # frames per second, where nothing says how many there are
MOST_RATE = 500.0  # what is over it is a time base, not a rate: browsers' recordings say 1000


class Timeline:
    """Seconds since the first frame, from the time stamps of the frames.

    A stamp that does not rise (a raw H.264 stream has none, joined recordings begin again) is taken to be
    one frame's time after the one before it, and those that follow are counted on from there.
    """

    def __init__(self, rate: float) -> None:
        self._step = 1 / (rate or USUAL_RATE)
        self._offset = 0.0
        self._last: float | None = None

    def at(self, stamp: float) -> float:
        """The time of the next frame, which the container stamped with ``stamp`` seconds."""
        if self._last is None:
            self._offset = -stamp
        time = stamp + self._offset
        if self._last is not None and not time > self._last:
            time = self._last + self._step
            self._offset = time - stamp
        self._last = time
        return time


def sane_rate(rate: float) -> float:
    """``rate`` where it can be one, else 0."""
    return rate if 0 < rate <= MOST_RATE else 0.0
