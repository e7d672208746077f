"""What a power sensor is, what it may say, and how it fails."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from boards.errors import BoardsError

TIMEOUT_S = 10.0
# Beyond this a reading is a unit mistaken for another, not a board.
_MOST_WATTS = 5000.0


class SensorUnknown(BoardsError, LookupError):
    """There is no sensor of that name, or it is not on this board."""


class SensorFailed(BoardsError, OSError):
    """A sensor does not answer, or says what cannot be true."""


@dataclass(frozen=True)
class Sensor:
    """One source of watts.

    ``covers`` and ``leaves_out`` are for people. ``rate_hz`` is as fast as reading it makes sense,
    ``window_s`` the shortest time over which its mean means something. ``watts`` reads it; of a counter
    it gives the mean since it was last asked.
    """

    name: str
    covers: str
    leaves_out: str
    rate_hz: float
    window_s: float
    watts: Callable[[], float] = field(compare=False)


def plausible(name: str, watts: float) -> float:
    """The watts, if a board can draw them. Raises SensorFailed."""
    if not math.isfinite(watts) or not 0 <= watts <= _MOST_WATTS:
        raise SensorFailed(f"sensor '{name}' says {watts:g} W, which cannot be")
    return watts


def output(command: Sequence[str], name: str) -> str:
    """What a program prints. Raises SensorFailed where it fails or takes over ten seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise SensorFailed(f"sensor '{name}': {error}") from error
    if done.returncode:
        reason = done.stderr.strip().rsplit("\n", 1)[-1] or f"exit code {done.returncode}"
        raise SensorFailed(f"sensor '{name}': '{' '.join(command)}' failed: {reason}")
    return done.stdout
