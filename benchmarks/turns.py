"""Work that takes turns in one process: whatever else the machine does falls on all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def cpu_ms(
    work: Mapping[Key, Callable[[], object]], rounds: int, runs: int, warm_ups: int
) -> dict[Key, list[float]]:
    """CPU milliseconds of one call of each, a figure a round of ``runs`` calls.

    It is the process's time, not the clock's: it stands still while others work. A call that is not counted
    comes before each turn, since the turn before has filled the caches with something else.
    """
    for call in work.values():
        for _ in range(warm_ups):
            call()
    taken: dict[Key, list[float]] = {key: [] for key in work}
    for _ in range(rounds):
        for key, call in work.items():
            call()
            began = time.process_time()
            for _ in range(runs):
                call()
            taken[key].append(1e3 * (time.process_time() - began) / runs)
    return taken
