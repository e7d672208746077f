"""What a figure was taken on, whether the machine held its speed, and whether two machines are alike."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

from boards import match, telemetry
from boards.errors import BoardsError
from boards.facts import Telemetry
from boards.probe import probe
from boards.root_tree import Tree
from edge.bundle import Bundle
from edge.engine import engine_class
from edge.errors import DataInvalid
from edge.strict import fill

# Figures taken under different ones of these cannot be set side by side.
MACHINE_KEYS = ("board", "arch", "cpu", "core", "cores", "usable_cores", "features", "governor")
# These explain a difference and do not forbid the comparison.
REMARK_KEYS = ("system", "kernel", "python", "numpy", "opencv", "memory_mb", "clock_max_mhz", "ferlite")


@dataclass(frozen=True)
class Machine:
    """The board, its CPU and system, the versions of what every engine shares, and what else it was doing.

    None: not known, or not asked by the ferlite that wrote the record. ``load`` is the mean number of
    processes that ran or waited in the minute before.
    """

    board: str | None = None
    model: str | None = None
    arch: str | None = None
    cpu: str | None = None
    core: str | None = None
    cores: int | None = None
    usable_cores: int | None = None
    features: tuple[str, ...] = ()
    int8: tuple[str, ...] = ()
    memory_mb: int | None = None
    governor: str | None = None
    clock_max_mhz: float | None = None
    system: str | None = None
    kernel: str | None = None
    python: str | None = None
    numpy: str | None = None
    opencv: str | None = None
    ferlite: str | None = None
    load: float | None = None

    def __str__(self) -> str:
        """The CPU, its cores and the load, for the foot of a table."""
        cores = self.usable_cores or self.cores
        parts = [self.cpu or self.core or "unknown CPU"]
        parts += [f"{cores} core{'' if cores == 1 else 's'}"] if cores else []
        parts += [f"load {self.load:.1f}"] if self.load is not None else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Moment(Telemetry):
    """Temperature, clock and throttling at one time. ``load``: see ``Machine``; None while measuring."""

    load: float | None = None


def here(root: str | Path = "/") -> Machine:
    """This machine."""
    facts = probe(root)
    try:
        board: str | None = match.identify(facts)[0].id
    except BoardsError:
        board = None
    return Machine(
        board=board,
        model=facts.hardware.model,
        arch=facts.system.arch or platform.machine(),
        cpu=facts.cpu.name,
        core=facts.cpu.core,
        cores=facts.cpu.cores,
        usable_cores=usable_cores(),
        features=tuple(sorted(facts.cpu.features)),
        int8=tuple(facts.cpu.int8),
        memory_mb=facts.memory.total_mb,
        governor=facts.telemetry.governor,
        clock_max_mhz=facts.telemetry.clock_max_mhz,
        system=facts.system.name,
        kernel=facts.system.kernel,
        python=platform.python_version(),
        numpy=version("numpy"),
        opencv=str(importlib.import_module("cv2").__version__),
        ferlite=version("ferlite"),
        load=round(os.getloadavg()[0], 2),
    )


def read(table: Mapping[str, Any] | str, where: str) -> Machine:
    """The machine of a record, whichever ferlite wrote it. Raises DataInvalid."""
    known: dict[str, Any] = {"arch": table} if isinstance(table, str) else dict(table)
    if "machine" in known:  # before there was one record, builds named the architecture so
        known["arch"] = known.pop("machine")
        known["usable_cores"] = known.pop("cores", None)
    if isinstance(known.get("load"), list):  # and some kept the means of 5 and 15 minutes too
        known["load"] = known["load"][0]
    return fill(Machine, known, where, DataInvalid)


def moment(root: str | Path = "/") -> Moment:
    """This moment."""
    return Moment(**asdict(telemetry.read(Tree(root))), load=round(os.getloadavg()[0], 2))


def usable_cores() -> int | None:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def version(package: str) -> str | None:
    """The installed version of a package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


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


def voided(moments: Iterable[Moment]) -> list[str]:
    """Why a run with these ``moments`` (before, in between, after) does not count; empty where it does.

    The board throttled: at one of the moments, or between two of them by its own memory of the past.
    """
    reasons: list[str] = []
    seen: list[tuple[str, ...]] = []
    for each in moments:
        reasons += [f"the board reported '{what}' during the run" for what in each.throttled or ()]
        seen += [each.throttled_before] if each.throttled_before is not None else []
    reasons += [
        f"the board throttled between two looks at it: {', '.join(after) or 'its record was cleared'}"
        for before, after in pairwise(seen)
        if before != after
    ]
    return list(dict.fromkeys(reasons))


def throttling_known(moments: Iterable[Moment]) -> bool:
    """Whether the board can tell of its throttling at all."""
    return any(each.throttled is not None or each.throttled_before is not None for each in moments)
