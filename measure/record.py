"""A benchmark's record: what ``measure.bench`` makes, JSON keeps, and table, page and comparison read.

docs/how-we-measure.md describes the JSON. Times are in milliseconds, memory in MiB, shares 0-1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from edge import files
from edge.bundle_files.sections import InputSpec
from edge.errors import DataInvalid
from edge.strict import fill
from measure import machine
from measure.machine import Machine, Moment
from measure.stats import Summary, rounded

SCHEMA = 1
KIND = "ferlite bench"
END_TO_END = "end-to-end"


@dataclass(frozen=True, kw_only=True)
class Timed(Summary, ABC):
    """One scenario's figures and the raw times they are of, warm-ups apart."""

    unit: ClassVar[str]
    warm_ups_ms: tuple[float, ...]
    raw_ms: tuple[float, ...]

    @property
    @abstractmethod
    def rate(self) -> float:
        """Units a second."""

    @property
    @abstractmethod
    def cpu_ms(self) -> float:
        """Milliseconds of all cores together, for one unit."""


@dataclass(frozen=True, kw_only=True)
class Queries(Timed):
    """The network alone, asked about ``faces_per_query`` faces at a time; a time is a query's."""

    unit = "face"
    faces_per_query: int
    queries: int
    faces_per_second: float
    cpu_ms_per_face: float

    @property
    def rate(self) -> float:
        """Faces a second."""
        return self.faces_per_second

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of all cores together, for one face."""
        return self.cpu_ms_per_face


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage's time in every frame."""

    median_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float
    raw_ms: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Frames(Timed):
    """The whole product, from a source's frame to a written reading; a time is a frame's.

    ``overhead`` is what the pipeline adds around its engines, over their own time; None where the detector
    runs in no engine, whose whole work would count as such.
    """

    unit = "frame"
    frame_px: tuple[int, int]
    frames: int
    faces_per_frame: float
    frames_per_second: float
    cpu_ms_per_frame: float
    engine_ms_per_frame: float
    overhead: float | None
    stages: Mapping[str, Stage]
    raw_engine_ms: tuple[float, ...]
    raw_faces: tuple[int, ...]
    detect_every: int
    searches: int

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames_per_second

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of all cores together, for one frame."""
        return self.cpu_ms_per_frame


@dataclass(frozen=True)
class Found:
    """The detector that ``auto`` or the user chose, and those passed over: (name, reason)."""

    detector: str
    detector_skipped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Life:
    """One process: seconds to its first reading, MiB of memory (None where the system does not tell)."""

    first_reading_s: float
    cpu_s: float
    steady_mib: float | None
    peak_mib: float | None
    first_faces: int


@dataclass(frozen=True, kw_only=True)
class Starts:
    """Cold starts of ``what``, medians and raw; the very first, which may have read from the disk, apart."""

    what: str
    first_reading_s: float
    process_cpu_s: float
    rss_steady_mib: float | None
    rss_peak_mib: float | None
    faces_in_first_reading: int
    first_start_s: float
    raw: tuple[Life, ...]


@dataclass(frozen=True, kw_only=True)
class Power:
    """Watts while nothing ran and while the work did, and what each ``unit`` of it cost in joules."""

    unit: str
    sensor: str
    covers: str
    leaves_out: str
    idle_w: float
    running_w: float
    per_second: float
    joules_each: float
    joules_each_above_idle: float
    per_second_per_watt: float | None
    samples_per_second: float
    idle_seconds: float
    running_seconds: float
    raw_idle_w: tuple[float, ...]
    raw_running_w: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One engine's figures. Where there is no ``power``, ``no_power`` says why."""

    version: str
    precision: str
    model_bytes: int
    queries: Mapping[str, Queries]
    frames: Frames | None
    chosen: Found | None
    start: Starts
    power: Power | None
    no_power: str = ""

    @property
    def scenarios(self) -> dict[str, Timed]:
        """All of them by name, in the order they ran."""
        return {**self.queries, **({END_TO_END: self.frames} if self.frames else {})}


@dataclass(frozen=True)
class Subject:
    """The bundle: ``digest`` is over all that bundle.json says."""

    name: str
    digest: str
    input: InputSpec


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the figures depend on besides bundle and machine; files by name and digest, not by place."""

    threads: int
    device: str
    seconds: float
    faces: int
    batch: int
    frames: int
    detector: str
    detector_engine: str
    detect_size: int
    detect_every: int
    starts: int
    power_seconds: float
    source: str | None
    source_digest: str | None
    detector_model: str | None
    detector_model_digest: str | None


@dataclass(frozen=True)
class Verdict:
    """Whether the figures may be used.

    ``voided``: why they may not. ``unstable``: engine and scenario -> why it may be.
    """

    voided: tuple[str, ...]
    unstable: Mapping[str, tuple[str, ...]]
    throttling_known: bool


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run of ``ferlite bench``. ``skipped``: engines of the bundle that were not measured, and why."""

    date: str
    command: str
    machine: Machine
    moments: tuple[Moment, ...]
    bundle: Subject
    settings: Settings
    engines: Mapping[str, Measured]
    skipped: Mapping[str, str]
    verdict: Verdict


def as_table(record: Record) -> dict[str, Any]:
    """The record, JSON-ready, with figures rounded to four digits."""
    table = {"schema": SCHEMA, "kind": KIND, **asdict(record)}
    table["before"], table["after"] = table["moments"][0], table["moments"][-1]
    for each in table["engines"].values():
        frames = each.pop("frames")
        each["scenarios"] = each.pop("queries") | ({END_TO_END: frames} if frames else {})
        power, why = each["power"], each.pop("no_power")
        each["power"] = {"measured": True, **power} if power else {"measured": False, "why": why}
    return dict(rounded(table))


def of_table(table: Mapping[str, Any], where: str) -> Record:
    """The record that a table holds. Raises DataInvalid."""
    try:
        known = {key: table[key] for key in table if key not in ("schema", "kind", "before", "after")}
        known["machine"] = asdict(machine.read(known["machine"], where))
        known["engines"] = {name: _measured(each) for name, each in known["engines"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise DataInvalid(f"{where} is not a whole record: {error} is missing or of a wrong kind") from error
    return fill(Record, known, where, DataInvalid)


def _measured(table: Mapping[str, Any]) -> dict[str, Any]:
    known = {"chosen": None, **table}
    scenarios = dict(known.pop("scenarios"))
    power = dict(known["power"])
    known["frames"] = scenarios.pop(END_TO_END, None)
    known["queries"] = scenarios
    known["power"], known["no_power"] = (power, "") if power.pop("measured") else (None, power["why"])
    return known


def read(path: str | Path) -> Record:
    """A record that ``bench`` wrote. Raises DataInvalid."""
    return of_table(files.read_record(Path(path), KIND, SCHEMA, "ferlite bench"), f"'{path}'")
