"""Being asked to stop, for loops that finish their step first."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any


class StopSignal:
    """Turns SIGINT and SIGTERM into a wish that a loop can grant after its step: ``asked``."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __enter__(self) -> StopSignal:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
