"""What bundle.json may say: its sections as dataclasses, each refusing what makes no sense.

The whole of it is ``edge.bundle.Bundle``; a section that cannot be right raises BundleInvalid with the key's
name, its value and what would be valid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from edge.errors import BundleInvalid
from edge.extras.table import EXTRAS
from edge.priors import LEAST
from edge.strict import is_number, shown

Colour = Literal["grey", "rgb", "bgr"]
Layout = Literal["NCHW", "NHWC"]
Kind = Literal["expression", "landmarks", "voice", "spotter"]
PrepareStep = Literal["equalise", "clahe", "gamma", "local"]


@dataclass(frozen=True)
class InputSpec:
    """What the network sees: ``size`` x ``size`` pixels, ``(level - mean) / std`` of grey levels 0-255.

    A picture of sound (``edge.voice.mel``) or of motion (``edge.moments.history``) has ``size`` rows and
    ``width`` moments; 0: as many.

    ``prepare``: what is done to a grey face at that size first (``edge.prepare``), in this order.
    """

    size: int
    colour: Colour
    mean: tuple[float, ...]
    std: tuple[float, ...]
    prepare: tuple[PrepareStep, ...] = ()
    width: int = 0

    def __post_init__(self) -> None:
        check(isinstance(self.size, int) and 8 <= self.size <= 1024, "size", self.size, "8 to 1024 pixels")
        check(self.width == 0 or 8 <= self.width <= 1024, "width", self.width, "0, 8 to 1024 pixels")
        check(self.colour in get_args(Colour), "colour", self.colour, ", ".join(get_args(Colour)))
        for name, values in (("mean", self.mean), ("std", self.std)):
            numbers = len(values) == self.channels and all(is_number(value) for value in values)
            check(numbers, name, values, f"{self.channels} numbers")
        check(all(value > 0 for value in self.std), "std", self.std, "positive numbers")
        known = all(step in get_args(PrepareStep) for step in self.prepare)
        check(known, "prepare", self.prepare, f"a list of {', '.join(get_args(PrepareStep))}")
        check(not self.prepare or self.colour == "grey", "prepare", self.prepare, "empty for a colour model")

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return 1 if self.colour == "grey" else 3

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.size, self.width or self.size


@dataclass(frozen=True)
class Extra:
    """An input beside the face: its ``name`` in the network, and its ``shape`` for one face.

    ``source`` is the file of ``edge.extras`` that makes it. ``absent`` is what the network learnt to take for
    "not there": one number for all of it, or one for each, in C order.
    """

    name: str
    source: str
    shape: tuple[int, ...]
    absent: tuple[float, ...]

    def __post_init__(self) -> None:
        check(self.source in EXTRAS, "source", self.source, f"one of {', '.join(EXTRAS)}")
        sizes = len(self.shape) > 0 and all(0 < size < 65536 for size in self.shape)
        check(sizes, "shape", self.shape, "sizes of 1 and more")
        check(all(map(is_number, self.absent)), "absent", self.absent, "numbers")
        many = math.prod(self.shape)
        check(len(self.absent) in (1, many), "absent", self.absent, f"one number, or {many}")


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
    """When a reading is "uncertain": see ``edge.doubt`` for what each bound is held against.

    ``sharpness_px``: the side of the crops that the bound of ``sharpness`` was measured on, to which larger
    ones are brought first; 0: as they are cut.
    """

    face_px: float = 0.0
    sharpness: float = 0.0
    sharpness_px: float = 0.0
    turn: float = float("inf")
    weight: float = 0.0

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            check(is_number(value) and value >= 0, entry.name, value, "a number from 0 up")


# What a movement may look like, and "other" where it looks like none of these.
TONES, OTHER = ("positive", "negative", "surprise"), "other"
TONES_AND_OTHER = (*TONES, OTHER)


@dataclass(frozen=True)
class SpotRule:
    """How what a spotter's network says of moments is read: see ``edge.moments.decode``.

    A movement begins to be one at ``begin`` and is over below ``end``, of the output that is 1 within one.
    ``ahead``: so many moments after one are looked at to tell of it. ``tones``: for each of TONES_AND_OTHER,
    the two numbers of each part and one more that weigh a movement's ``direction`` (``edge.moments.tone``);
    empty: no tone is told.
    """

    ahead: int
    begin: float = 0.5
    end: float = 0.3
    tones: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whole = isinstance(self.ahead, int) and not isinstance(self.ahead, bool)
        check(whole and 0 <= self.ahead <= 1024, "ahead", self.ahead, "0 to 1024 moments")
        good = is_number(self.begin) and is_number(self.end) and 0 < self.end <= self.begin < 1
        check(good, "begin", self.begin, f"a number below 1 and not below 'end', {shown(self.end)}")
        names = set(self.tones) in (set(), set(TONES_AND_OTHER))
        numbers = all(is_number(value) and abs(value) < 1e6 for row in self.tones.values() for value in row)
        even = len({len(row) for row in self.tones.values()}) <= 1
        what = f"for each of {', '.join(TONES_AND_OTHER)} as many numbers"
        check(names and numbers and even, "tones", self.tones, what)


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

    @classmethod
    def of_prior(cls, temperature: float, prior: Sequence[float], learnt: Sequence[float] = ()) -> Scaling:
        """The prior ``learnt`` taken out (none: uniform), divided by ``temperature``, ``prior`` put in."""
        expected = [math.log(max(share, LEAST)) for share in prior]
        known = [math.log(max(share, LEAST)) for share in learnt] or [0.0] * len(expected)
        bias = tuple(new - old / temperature for new, old in zip(expected, known, strict=True))
        return cls((1 / temperature,) * len(expected), bias)


@dataclass(frozen=True)
class Golden:
    """Answers to ``golden.faces``: sha256 of the logits, and the weights (0-1), a row a face."""

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

    ``temperature`` was fitted on this very model's logits; None: the bundle's holds. ``golden`` has its
    answers to a few drawn faces, where they were taken. ``scalings`` stand in bundles of before priors were
    kept apart: each was fitted to the labels of the annotators that it is called by.
    """

    parts: Mapping[str, str]
    precision: str
    layout: Layout = "NCHW"
    temperature: float | None = None
    scalings: Mapping[str, Scaling] = field(default_factory=dict)
    golden: Golden | None = None

    def __post_init__(self) -> None:
        check(self.layout in get_args(Layout), "layout", self.layout, ", ".join(get_args(Layout)))
        check(isinstance(self.precision, str), "precision", self.precision, "a word such as int8")
        finite = self.temperature is None or 0 < self.temperature < float("inf")
        check(finite, "temperature", self.temperature, "a number above 0")
        check(isinstance(self.parts, dict) and len(self.parts) > 0, "parts", self.parts, "file: sha256")
        for name, digest in self.parts.items():
            check(_is_digest(digest), f"parts.{name}", digest, "a sha256 in hex")
            path = PurePosixPath(name)
            plain = not path.is_absolute() and ".." not in path.parts and "\\" not in name
            check(plain, "parts", name, "a name inside the bundle")


@dataclass(frozen=True)
class AccuracyRecord:
    """How one engine's model did on one face set. Shares are 0-1; None is what was not measured.

    ``ece`` is the expected calibration error of the weights, ``ece_before`` without scaling;
    ``fp32_accuracy`` the float model's in the same engine, ``agreement`` the share of faces that both name
    alike. ``library`` is the engine's name and version.
    """

    data: str
    images: int
    accuracy: float
    engine: str
    library: str = ""
    precision: str = ""
    macro_f1: float | None = None
    ece_before: float | None = None
    ece: float | None = None
    fp32_accuracy: float | None = None
    agreement: float | None = None

    def __post_init__(self) -> None:
        check(self.images > 0, "images", self.images, "1 or more")
        for name in ("accuracy", "macro_f1", "ece_before", "ece", "fp32_accuracy", "agreement"):
            share = getattr(self, name)
            check(share is None or (is_number(share) and 0 <= share <= 1), name, share, "a share, 0 to 1")


def check(good: bool, key: str, value: Any, valid: str) -> None:
    """Raise BundleInvalid unless ``good``, naming the key, its value and what would be ``valid``."""
    if not good:
        raise BundleInvalid(f"'{key}' is {shown(value)}, and must be {valid}")


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _is_point(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(is_number(number) for number in value)
