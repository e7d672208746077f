"""build.json as one frozen record: what table, page, card and the README read.

It reads what any ferlite wrote: what an older one did not measure is None or empty, and what a newer one says
beside is left alone. Needs neither torch nor a builder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from edge import files
from edge.errors import DataInvalid
from edge.strict import fill
from measure import machine
from measure.machine import Machine
from measure.race import Race

SCHEMA = 1
KIND = "ferlite-build"


@dataclass(frozen=True)
class Score:
    """Answers held against labels; shares 0-1. ``f1`` per label, in the bundle's order."""

    images: int
    accuracy: float
    macro_f1: float
    f1: tuple[float, ...]


@dataclass(frozen=True)
class Change:
    """What int8 did to the float model's answers on the same faces.

    ``drop`` in percentage points of accuracy, negative where int8 is better. ``worst_class`` lost most F1:
    ``worst_drop``, in points. ``board``: points of balanced accuracy lost in each domain that was asked, and
    ``board_drop`` their mean.
    """

    drop: float
    agreement: float
    worst_class: str
    worst_drop: float
    board: Mapping[str, float] = field(default_factory=dict)

    @property
    def board_drop(self) -> float:
        """Points of balanced accuracy lost over all domains; 0 where none was asked."""
        return sum(self.board.values()) / len(self.board) if self.board else 0.0


@dataclass(frozen=True)
class Figures:
    """One engine's shipped model on one face set: see ``quantize.proof.record.Figures``."""

    data: str
    precision: str
    plain: Score
    shipped: Score
    change: Change
    plain_unscaled: float
    ece_before: float
    ece: float

    @property
    def annotators(self) -> str:
        """Who gave the labels."""
        return self.data.rpartition("-")[0]


@dataclass(frozen=True)
class Held:
    """Shares 0-1 of answers that are as labelled, and their expected calibration error."""

    accuracy: float
    ece: float


@dataclass(frozen=True)
class Scaled:
    """What made logits into weights: a temperature, or what was fitted in its place."""

    temperature: float
    method: str = "temperature"

    def __str__(self) -> str:
        """In words."""
        return f"temperature {self.temperature:.2f}" if self.method == "temperature" else "vector scaling"


@dataclass(frozen=True)
class Form:
    """A model as an engine takes it."""

    precision: str
    bytes: int
    peak_rss_mib: float


@dataclass(frozen=True)
class Rung:
    """A recipe that was tried; None where it could not be built, or the gate shut before."""

    recipe: str
    objections: tuple[str, ...]
    precision: str | None = None
    bytes: int | None = None
    peak_rss_mib: float | None = None
    change: Change | None = None
    race: Race | None = None


@dataclass(frozen=True)
class EngineBuild:
    """One engine's climb: what was tried, what ships, and how it fares."""

    passed: bool
    shipped: str
    library: str
    float: Form
    rungs: tuple[Rung, ...]
    scalings: Mapping[str, Scaled]
    figures: tuple[Figures, ...]
    crossed: Mapping[str, Mapping[str, Held]] = field(default_factory=dict)

    @property
    def timed(self) -> Rung | None:
        """The rung that ships; None where float does."""
        return next((rung for rung in self.rungs if rung.race and rung.recipe == self.shipped), None)

    def on(self, data: str) -> Figures | None:
        """The figures on one face set, if they were taken."""
        return next((each for each in self.figures if each.data == data), None)

    def own(self, split: str) -> Figures | None:
        """The figures on a split by the data set's own labels, of which FER2013 has others beside them."""
        return next((each for each in self.figures if each.data.endswith(f"-{split}")), None)


@dataclass(frozen=True)
class LayerCost:
    """What 8 bits cost in one layer alone: see ``quantize.sensitivity.Cost``."""

    layer: str
    kl: float
    sqnr_db: float
    agreement: float
    drop: float


@dataclass(frozen=True)
class Used:
    """A quantization recipe; no digest where float ships."""

    recipe: str
    sha256: str | None


@dataclass(frozen=True)
class Made:
    """The command and the recipes; ``train`` is what is known of where the weights came from."""

    command: str
    train: Mapping[str, Any]
    quantize: Mapping[str, Used]


@dataclass(frozen=True)
class BuildRecord:
    """One build. ``data``: face set -> faces; ``sensitivity``: from input to output, empty if not scanned."""

    name: str
    date: str
    seconds: float
    machine: Machine
    made_by: Made
    labels: tuple[str, ...]
    data: Mapping[str, int]
    engines: Mapping[str, EngineBuild]
    sensitivity: tuple[LayerCost, ...] = ()


def of_table(table: Mapping[str, Any], where: str) -> BuildRecord:
    """The record that a table holds. Raises DataInvalid."""
    known = _known(BuildRecord, table)
    known["machine"] = asdict(machine.read(table.get("machine", {}), where))
    return fill(BuildRecord, known, where, DataInvalid)


def read(path: Path) -> BuildRecord:
    """The record that ``ferlite quantize build`` wrote. Raises DataInvalid."""
    return of_table(files.read_record(path, KIND, SCHEMA, "ferlite quantize build"), f"'{path}'")


def _known(kind: Any, value: Any) -> Any:
    """``value`` without the keys that a dataclass within ``kind`` has no field for."""
    inner = get_args(kind)
    if type(None) in inner:
        return None if value is None else _known(inner[0], value)
    if isinstance(value, (list, tuple)):
        return [_known(inner[0], each) for each in value] if inner else value
    if not isinstance(value, Mapping):
        return value
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        names = [each.name for each in fields(kind) if each.name in value]
        return {name: _known(hints[name], value[name]) for name in names}
    return {key: _known(inner[1], each) for key, each in value.items()} if len(inner) == 2 else value
