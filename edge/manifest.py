"""What bundle.json may say: its sections as dataclasses, each refusing what makes no sense.

The whole of it is ``edge.bundle.Bundle``; a section that cannot be right raises BundleInvalid with the key's
name, its value and what would be valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar, get_args

from edge.errors import BundleInvalid

Colour = Literal["grey", "rgb", "bgr"]
Layout = Literal["NCHW", "NHWC"]
T = TypeVar("T")


@dataclass(frozen=True)
class InputSpec:
    """What the network sees: ``size`` x ``size`` pixels, ``(level - mean) / std`` of grey levels 0-255."""

    size: int
    colour: Colour
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        check(isinstance(self.size, int) and 8 <= self.size <= 1024, "size", self.size, "8 to 1024 pixels")
        check(self.colour in get_args(Colour), "colour", self.colour, ", ".join(get_args(Colour)))
        for name, values in (("mean", self.mean), ("std", self.std)):
            numbers = len(values) == self.channels and all(is_number(value) for value in values)
            check(numbers, name, values, f"{self.channels} numbers")
        check(all(value > 0 for value in self.std), "std", self.std, "positive numbers")

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return 1 if self.colour == "grey" else 3


@dataclass(frozen=True)
class CropRule:
    """How a face is cut out of a frame, as it was for the training images.

    ``landmarks``: where the five landmarks come to lie, as fractions of the crop's side. For a face that
    has none, the crop is a square of ``box_scale`` times the box's side, its middle moved by ``box_shift``
    sides right and down. ``size``: the crop's side in pixels, as the training images had it, whatever the
    network's input; 0 is the input's own.
    """

    landmarks: tuple[tuple[float, float], ...]
    box_scale: float
    box_shift: tuple[float, float]
    size: int = 0

    def __post_init__(self) -> None:
        points = len(self.landmarks) == 5 and all(_is_point(point) for point in self.landmarks)
        check(points, "landmarks", self.landmarks, "5 points x, y")
        check(is_number(self.box_scale) and 0 < self.box_scale < 10, "box_scale", self.box_scale, "0 to 10")
        check(_is_point(self.box_shift), "box_shift", self.box_shift, "x, y")
        whole = isinstance(self.size, int) and not isinstance(self.size, bool)
        check(whole and (self.size == 0 or 8 <= self.size <= 1024), "size", self.size, "0, 8 to 1024 pixels")


@dataclass(frozen=True)
class DoubtRule:
    """When a reading is "uncertain": see ``edge.doubt`` for what each bound is held against."""

    face_px: float = 0.0
    sharpness: float = 0.0
    turn: float = float("inf")
    weight: float = 0.0

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            check(is_number(value) and value >= 0, entry.name, value, "a number from 0 up")


@dataclass(frozen=True)
class Scaling:
    """How logits become weights that can be believed: ``softmax(scale * logits + bias)``, both per label.

    Vector scaling (Guo et al., ICML 2017). One ``scale`` for all labels and no ``bias`` is dividing by a
    temperature of 1 / scale.
    """

    scale: tuple[float, ...]
    bias: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, values in (("scale", self.scale), ("bias", self.bias)):
            numbers = isinstance(values, tuple) and all(is_number(value) for value in values)
            finite = numbers and len(values) == len(self.scale) and all(abs(value) < 1e6 for value in values)
            check(finite, name, values, "a number per label")
        check(all(value > 0 for value in self.scale), "scale", self.scale, "positive numbers")

    @classmethod
    def of_temperature(cls, temperature: float, labels: int) -> Scaling:
        """Dividing by ``temperature``."""
        return cls((1 / temperature,) * labels, (0.0,) * labels)


@dataclass(frozen=True)
class Golden:
    """Answers to ``edge.golden.faces``: sha256 of the logits, and the weights (0-1), a row a face."""

    sha256: str
    weights: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        check(_is_digest(self.sha256), "sha256", self.sha256, "a sha256 in hex")
        rows = isinstance(self.weights, tuple) and len(self.weights) > 0
        rows = rows and all(isinstance(row, tuple) and all(map(is_number, row)) for row in self.weights)
        check(rows, "weights", self.weights, "rows of numbers")


@dataclass(frozen=True)
class EngineFiles:
    """One engine's model. ``parts``: file name in the bundle -> sha256.

    ``scalings`` were fitted on this very model's logits, each to the labels of the annotators that it is
    called by; where there are none, the bundle's temperature holds. ``golden`` has its answers to a few drawn
    faces, where they were taken.
    """

    parts: Mapping[str, str]
    precision: str
    layout: Layout = "NCHW"
    scalings: Mapping[str, Scaling] = field(default_factory=dict)
    golden: Golden | None = None

    def __post_init__(self) -> None:
        check(self.layout in get_args(Layout), "layout", self.layout, ", ".join(get_args(Layout)))
        check(isinstance(self.precision, str), "precision", self.precision, "a word such as int8")
        check(isinstance(self.parts, dict) and len(self.parts) > 0, "parts", self.parts, "file: sha256")
        for name, digest in self.parts.items():
            check(_is_digest(digest), f"parts.{name}", digest, "a sha256 in hex")
            path = PurePosixPath(name)
            plain = not path.is_absolute() and ".." not in path.parts and "\\" not in name
            check(plain, "parts", name, "a name inside the bundle")


def engine_files(table: Any, name: str, labels: int) -> EngineFiles:
    """What bundle.json says of the engine ``name``, for so many ``labels``. Raises BundleInvalid."""
    where = f"files.{name}"
    if not isinstance(table, dict):
        raise BundleInvalid(f"'{where}' must be an object")
    inner: dict[str, Any] = {}
    scalings = table.get("scalings", {})
    if not isinstance(scalings, dict):
        raise BundleInvalid(f"'{where}.scalings' must be an object")
    inner["scalings"] = {
        name: section(Scaling, entry, f"{where}.scalings.{name}") for name, entry in scalings.items()
    }
    for annotators, scaling in inner["scalings"].items():
        if len(scaling.scale) != labels:
            raise BundleInvalid(f"'{where}.scalings.{annotators}' must have a number per label, {labels}")
    if table.get("golden") is not None:
        inner["golden"] = golden = section(Golden, table["golden"], f"{where}.golden")
        if any(len(row) != labels for row in golden.weights):
            raise BundleInvalid(f"{where}.golden: 'weights' must have a number per label, {labels} a row")
    return section(EngineFiles, {**table, **inner}, where)


def section(cls: type[T], table: Any, where: str) -> T:
    """The dataclass ``cls`` of the object ``table``; ``where`` is its key. Raises BundleInvalid."""
    if not isinstance(table, dict):
        raise BundleInvalid(f"'{where}' must be an object")
    known_keys(cls, table, f"{where}.", set())
    try:
        return cls(**{key: _tuples(value) for key, value in table.items()})
    except BundleInvalid as error:
        raise BundleInvalid(f"{where}: {error}") from error


def known_keys(cls: type, table: Mapping[str, Any], where: str, ours: set[str]) -> None:
    """Raise BundleInvalid unless the keys are fields of ``cls`` other than ``ours``, and none is missing."""
    known = {entry.name: entry for entry in fields(cls) if entry.name not in ours}
    for key in table:
        if key not in known:
            raise BundleInvalid(f"unknown key '{where}{key}'; valid keys: {', '.join(known)}")
    for name, entry in known.items():
        if name not in table and entry.default is MISSING and entry.default_factory is MISSING:
            raise BundleInvalid(f"key '{where}{name}' is missing")


def _tuples(value: Any) -> Any:
    """JSON's lists as tuples, however deep, so that what holds them can be frozen and hashed."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def check(good: bool, key: str, value: Any, valid: str) -> None:
    """Raise BundleInvalid unless ``good``, naming the key, its value and what would be ``valid``."""
    if not good:
        raise BundleInvalid(f"'{key}' is {value!r:.80}, and must be {valid}")


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def is_number(value: Any) -> bool:
    """Whether ``value`` is a number, which true, false and nan are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value  # noqa: PLR0124


def _is_point(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(is_number(number) for number in value)
