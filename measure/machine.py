"""What a benchmark ran on, whether the machine held its speed, and whether two machines are alike."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from boards import match, telemetry
from boards.errors import BoardsError
from boards.probe import probe
from boards.root_tree import Tree
from edge.bundle import Bundle
from edge.engine import engine_class

# Figures taken under different ones of these cannot be set side by side.
MACHINE_KEYS = ("board", "arch", "cpu", "core", "cores", "usable_cores", "features", "governor")
# These explain a difference and do not forbid the comparison.
REMARK_KEYS = ("system", "kernel", "python", "numpy", "opencv", "memory_mb", "clock_max_mhz", "ferlite")


def machine(root: str | Path = "/") -> dict[str, Any]:
    """The board, its CPU and system, and the versions of what every engine shares. None: not known."""
    facts = probe(root)
    try:
        board: str | None = match.identify(facts)[0].id
    except BoardsError:
        board = None
    return {
        "board": board,
        "model": facts.hardware.model,
        "arch": facts.system.arch or platform.machine(),
        "cpu": facts.cpu.name,
        "core": facts.cpu.core,
        "cores": facts.cpu.cores,
        "usable_cores": usable_cores(),
        "features": sorted(facts.cpu.features),
        "int8": list(facts.cpu.int8),
        "memory_mb": facts.memory.total_mb,
        "governor": facts.telemetry.governor,
        "clock_max_mhz": facts.telemetry.clock_max_mhz,
        "system": facts.system.name,
        "kernel": facts.system.kernel,
        "python": platform.python_version(),
        "numpy": _version("numpy"),
        "opencv": str(importlib.import_module("cv2").__version__),
        "ferlite": _version("ferlite"),
    }


def in_short() -> dict[str, Any]:
    """What the figures were taken on, and what else it was doing."""
    return {
        "machine": platform.machine(),
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def cpu_name() -> str | None:
    """The processor's name as the kernel gives it, or the board's; None where it gives neither."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "Model"))]
    return named[0] if named else None


def moment(root: str | Path = "/") -> dict[str, Any]:
    """Temperature, clock and throttling now, and the load (processes, last minute)."""
    return {**asdict(telemetry.read(Tree(root))), "load": round(os.getloadavg()[0], 2)}


def usable_cores() -> int | None:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def engine_version(name: str) -> str:
    """The engine's library and version. Raises EngineError."""
    return engine_class(name).version()


def bundle_digest(bundle: Bundle) -> str:
    """Sha256 over all that bundle.json says, which holds the sha256 of every weight file."""
    table = {**asdict(bundle), "path": ""}
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def source_digest(spec: str) -> str | None:
    """Sha256 of a file, or over those of a folder's files in order; None for cameras, streams and globs."""
    path = Path(spec)
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        digests = "".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
        return hashlib.sha256(digests.encode()).hexdigest()
    return None


def voided(moments: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why a run with these ``moments`` (before, in between, after) does not count; empty where it does.

    The board throttled: at one of the moments, or between two of them by its own memory of the past.
    """
    reasons: list[str] = []
    seen: list[Any] = []
    for each in moments:
        for what in each.get("throttled") or ():
            reasons.append(f"the board reported '{what}' during the run")
        past = each.get("throttled_before")
        if past is not None:
            seen.append(tuple(past))
    reasons += [
        f"the board throttled between two looks at it: {', '.join(after) or 'its record was cleared'}"
        for before, after in pairwise(seen)
        if before != after
    ]
    return list(dict.fromkeys(reasons))


def throttling_known(moments: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the board can tell of its throttling at all."""
    return any(
        each.get("throttled") is not None or each.get("throttled_before") is not None for each in moments
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _first_line(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None
