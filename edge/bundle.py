"""A model bundle: a folder or .zip with bundle.json beside the weights.

bundle.json says everything a runtime must not guess: the order of the classes, what the network expects
to see, how a face is cut out, how far its weights can be believed, and the sha256 of every file. A file is
read once, its digest is checked, and those very bytes go to the engine.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar, get_args

from edge.engine import ModelFile
from edge.errors import BundleInvalid

SCHEMA = 1
MANIFEST = "bundle.json"
LARGEST_FILE = 512 * 2**20
SHIPPED = Path(__file__).parent.parent / "bundles"
DEFAULT = "mobilenetv2"

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
        _check(isinstance(self.size, int) and 8 <= self.size <= 1024, "size", self.size, "8 to 1024 pixels")
        _check(self.colour in get_args(Colour), "colour", self.colour, ", ".join(get_args(Colour)))
        for name, values in (("mean", self.mean), ("std", self.std)):
            numbers = len(values) == self.channels and all(_is_number(value) for value in values)
            _check(numbers, name, values, f"{self.channels} numbers")
        _check(all(value > 0 for value in self.std), "std", self.std, "positive numbers")

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return 1 if self.colour == "grey" else 3


@dataclass(frozen=True)
class CropRule:
    """How a face is cut out of a frame, as it was for the training images.

    ``landmarks``: where the five landmarks come to lie, as fractions of the crop's side. For a face that
    has none, the crop is a square of ``box_scale`` times the box's side, its middle moved by ``box_shift``
    sides right and down.
    """

    landmarks: tuple[tuple[float, float], ...]
    box_scale: float
    box_shift: tuple[float, float]

    def __post_init__(self) -> None:
        points = len(self.landmarks) == 5 and all(_is_point(point) for point in self.landmarks)
        _check(points, "landmarks", self.landmarks, "5 points x, y")
        _check(_is_number(self.box_scale) and 0 < self.box_scale < 10, "box_scale", self.box_scale, "0 to 10")
        _check(_is_point(self.box_shift), "box_shift", self.box_shift, "x, y")


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
            _check(_is_number(value) and value >= 0, entry.name, value, "a number from 0 up")


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
            numbers = isinstance(values, tuple) and all(_is_number(value) for value in values)
            finite = numbers and len(values) == len(self.scale) and all(abs(value) < 1e6 for value in values)
            _check(finite, name, values, "a number per label")
        _check(all(value > 0 for value in self.scale), "scale", self.scale, "positive numbers")

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
        _check(_is_digest(self.sha256), "sha256", self.sha256, "a sha256 in hex")
        rows = isinstance(self.weights, tuple) and len(self.weights) > 0
        rows = rows and all(isinstance(row, tuple) and all(map(_is_number, row)) for row in self.weights)
        _check(rows, "weights", self.weights, "rows of numbers")


@dataclass(frozen=True)
class EngineFiles:
    """One engine's model. ``parts``: file name in the bundle -> sha256.

    ``scaling`` was fitted on this very model's logits; None: the bundle's temperature. ``golden`` holds its
    answers to a few drawn faces, where they were taken.
    """

    parts: Mapping[str, str]
    precision: str
    layout: Layout = "NCHW"
    scaling: Scaling | None = None
    golden: Golden | None = None

    def __post_init__(self) -> None:
        _check(self.layout in get_args(Layout), "layout", self.layout, ", ".join(get_args(Layout)))
        _check(isinstance(self.precision, str), "precision", self.precision, "a word such as int8")
        _check(isinstance(self.parts, dict) and len(self.parts) > 0, "parts", self.parts, "file: sha256")
        for name, digest in self.parts.items():
            _check(_is_digest(digest), f"parts.{name}", digest, "a sha256 in hex")
            path = PurePosixPath(name)
            plain = not path.is_absolute() and ".." not in path.parts and "\\" not in name
            _check(plain, "parts", name, "a name inside the bundle")


@dataclass(frozen=True)
class Bundle:
    """A bundle whose bundle.json was read and found in order; weights are read by ``model``.

    ``temperature`` is for engines that have none of their own. ``accuracy`` holds the measured records and
    ``made_by`` the recipes, as they stand in the file.
    """

    path: Path
    name: str
    description: str
    labels: tuple[str, ...]
    input: InputSpec
    crop: CropRule
    temperature: float
    doubt: DoubtRule
    files: Mapping[str, EngineFiles]
    accuracy: tuple[Mapping[str, Any], ...] = ()
    made_by: Mapping[str, Any] = field(default_factory=dict)

    def scaling_of(self, engine: str) -> Scaling:
        """How the logits of the engine's model become weights."""
        own = self.files[engine].scaling if engine in self.files else None
        return own or Scaling.of_temperature(self.temperature, len(self.labels))

    def model(self, engine: str) -> ModelFile:
        """The engine's files, each read once and checked. Raises BundleInvalid."""
        if engine not in self.files:
            raise BundleInvalid(
                f"bundle '{self.path}' has no file for engine '{engine}': it has {', '.join(self.files)}"
            )
        parts = {}
        for name, digest in self.files[engine].parts.items():
            content = _read(self.path, name)
            if hashlib.sha256(content).hexdigest() != digest:
                raise BundleInvalid(f"bundle '{self.path}': '{name}' is not the file its sha256 was taken of")
            parts[PurePosixPath(name).suffix] = content
        return ModelFile(f"{self.name}/{engine}", parts)

    def verify(self) -> None:
        """Check every file's digest. Raises BundleInvalid."""
        for engine in self.files:
            self.model(engine)


def load(where: str | Path = "") -> Bundle:
    """Read a bundle's bundle.json from a folder, a .zip or the name of a shipped bundle.

    Raises BundleInvalid: unknown or missing key, wrong value, unreadable file.
    """
    path = _find(str(where) or DEFAULT)
    try:
        table = json.loads(_read(path, MANIFEST))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BundleInvalid(f"bundle '{path}': {MANIFEST} is not JSON: {error}") from error
    try:
        return _parse(table, path)
    except BundleInvalid as error:
        raise BundleInvalid(f"bundle '{path}': {error}") from error


def shipped() -> list[str]:
    """Names of the bundles that come with ferlite."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST}"))


def _find(where: str) -> Path:
    path = Path(where)
    if path.exists():
        return path
    if where in shipped():
        return SHIPPED / where
    raise BundleInvalid(
        f"no bundle '{where}': give a folder, a .zip or one of {', '.join(shipped()) or 'none shipped'}"
    )


def _parse(table: Any, path: Path) -> Bundle:
    if not isinstance(table, dict):
        raise BundleInvalid(f"{MANIFEST} must be an object")
    schema = table.pop("schema", None)
    if schema != SCHEMA:
        raise BundleInvalid(
            f"schema {schema!r} is not {SCHEMA}: this ferlite is too old or the file is damaged"
        )
    _known_keys(Bundle, table, "", {"path"})
    labels = table["labels"]
    words = isinstance(labels, list) and len(labels) > 1 and all(isinstance(word, str) for word in labels)
    _check(words and len(set(labels)) == len(labels), "labels", labels, "two or more different words")
    temperature = table["temperature"]
    finite = _is_number(temperature) and 0 < temperature < float("inf")
    _check(finite, "temperature", temperature, "a number above 0")
    _check(
        isinstance(table["files"], dict) and len(table["files"]) > 0, "files", table["files"], "engine: files"
    )
    for name in ("name", "description"):
        _check(isinstance(table[name], str), name, table[name], "text")
    return Bundle(
        path=path,
        name=table["name"],
        description=table["description"],
        labels=tuple(labels),
        input=_section(InputSpec, table["input"], "input"),
        crop=_section(CropRule, table["crop"], "crop"),
        temperature=float(table["temperature"]),
        doubt=_section(DoubtRule, table["doubt"], "doubt"),
        files={name: _engine_files(entry, name, len(labels)) for name, entry in table["files"].items()},
        accuracy=tuple(table.get("accuracy", ())),
        made_by=table.get("made_by", {}),
    )


def _engine_files(table: Any, name: str, labels: int) -> EngineFiles:
    where = f"files.{name}"
    if not isinstance(table, dict):
        raise BundleInvalid(f"'{where}' must be an object")
    inner: dict[str, Any] = {}
    if table.get("scaling") is not None:
        inner["scaling"] = scaling = _section(Scaling, table["scaling"], f"{where}.scaling")
        if len(scaling.scale) != labels:
            raise BundleInvalid(f"'{where}.scaling' must have a number per label, {labels}")
    if table.get("golden") is not None:
        inner["golden"] = golden = _section(Golden, table["golden"], f"{where}.golden")
        if any(len(row) != labels for row in golden.weights):
            raise BundleInvalid(f"{where}.golden: 'weights' must have a number per label, {labels} a row")
    return _section(EngineFiles, {**table, **inner}, where)


def _section(cls: type[T], table: Any, where: str) -> T:
    if not isinstance(table, dict):
        raise BundleInvalid(f"'{where}' must be an object")
    _known_keys(cls, table, f"{where}.", set())
    try:
        return cls(**{key: _tuples(value) for key, value in table.items()})
    except BundleInvalid as error:
        raise BundleInvalid(f"{where}: {error}") from error


def _known_keys(cls: type, table: Mapping[str, Any], where: str, ours: set[str]) -> None:
    from dataclasses import MISSING

    known = {entry.name: entry for entry in fields(cls) if entry.name not in ours}
    for key in table:
        if key not in known:
            raise BundleInvalid(f"unknown key '{where}{key}'; valid keys: {', '.join(known)}")
    for name, entry in known.items():
        if name not in table and entry.default is MISSING and entry.default_factory is MISSING:
            raise BundleInvalid(f"key '{where}{name}' is missing")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _check(good: bool, key: str, value: Any, valid: str) -> None:
    if not good:
        raise BundleInvalid(f"'{key}' is {value!r:.80}, and must be {valid}")


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value  # noqa: PLR0124


def _is_point(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(_is_number(number) for number in value)


def _read(bundle: Path, name: str) -> bytes:
    """One file's bytes, from inside the bundle and nowhere else."""
    try:
        if bundle.is_dir():
            file = (bundle / name).resolve()
            if bundle.resolve() not in file.parents:
                raise BundleInvalid(f"bundle '{bundle}': '{name}' leads out of the bundle")
            if file.stat().st_size > LARGEST_FILE:
                raise BundleInvalid(f"bundle '{bundle}': '{name}' is over {LARGEST_FILE >> 20} MiB")
            return file.read_bytes()
        with zipfile.ZipFile(bundle) as archive:
            if archive.getinfo(name).file_size > LARGEST_FILE:
                raise BundleInvalid(f"bundle '{bundle}': '{name}' is over {LARGEST_FILE >> 20} MiB")
            with archive.open(name) as file_in_zip:
                # A header can lie about the size: never read more than allowed.
                return file_in_zip.read(LARGEST_FILE)
    except (FileNotFoundError, KeyError) as error:
        raise BundleInvalid(f"bundle '{bundle}' has no file '{name}'") from error
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        if isinstance(error, BundleInvalid):
            raise
        raise BundleInvalid(f"bundle '{bundle}': cannot read '{name}': {error}") from error
