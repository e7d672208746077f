"""How many threads are worth starting: a container or a service may use less than its machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath


def default_threads(root: Path = Path("/")) -> int:
    """The number of threads where nobody chose one; 0, the library's own, where the whole machine is ours.

    Libraries count the machine's processors. Under a quota (Docker's --cpus, systemd's CPUQuota) so many
    threads use up a period's share at once and all stand still until the next, so every frame waits.
    """
    allowed, there = allowed_processors(root), os.cpu_count() or 1
    return allowed if allowed < there else 0


def allowed_processors(root: Path = Path("/")) -> int:
    """Processors that this process may use: by its affinity, and by the CPU quotas of its control groups.

    A part of a processor is none, and one there always is. ``root`` is where /proc and /sys are.
    """
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([ours, *(int(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """Processors that each control group around this process grants; none where it sets no bound."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = (*line.split(":", 2), "", "")[:3]
        base = root / "sys/fs/cgroup"
        if controllers:  # version 1: a tree for each set of controllers
            if "cpu" not in controllers.split(","):
                continue
            base = next((path for path in (base / controllers, base / "cpu") if path.is_dir()), base)
        inside = PurePosixPath(place.lstrip("/"))
        # Inside a container the tree begins at its own group, and the path is that of the machine's.
        for folder in dict.fromkeys([base / inside, *(base / each for each in inside.parents), base]):
            with suppress(OSError, ValueError, ZeroDivisionError):
                yield _version_2(folder) if not controllers else _version_1(folder)


def _version_2(folder: Path) -> float:
    quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
    return float(quota) / float(period)  # "max" is no number: no bound


def _version_1(folder: Path) -> float:
    quota, period = (
        float((folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8")) for name in ("quota", "period")
    )
    if quota <= 0:
        raise ValueError("no bound")
    return quota / period
