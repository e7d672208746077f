"""A board's profile: frozen dataclasses filled from one TOML file, an unknown key or engine being an error.

A profile says how to recognise a board, what its system images bring, and in which order its engines
are tried. ``unverified`` lists the keys that are known only from memory: nobody has read them off a
board yet, and ``ferlite boards show`` marks them.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from boards.errors import BoardUnknown, ProfileInvalid

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
SCHEMA = 1
FOLDER = Path(__file__).parent / "profiles"

EngineName = Literal["onnx", "tflite", "openvino"]
Arch = Literal["aarch64", "x86_64"]
Family = Literal["raspberry-pi", "jetson", "intel-npu", "pc", "generic"]
Scalar = str | int | float | bool


@dataclass(frozen=True)
class Match:
    """How the board is recognised; an empty table matches nothing, and the first kind of fact that fits wins.

    ``pci`` are ``vendor:device`` ids, ``model`` prefixes of the device tree's model, ``revision_type`` bits
    4-11 of a Raspberry Pi's revision word, ``compatible`` device-tree strings, ``cpu`` parts of the CPU's
    name. ``any_of_arch`` takes whatever of that architecture no other profile wanted.
    """

    model: tuple[str, ...] = ()
    revision_type: tuple[int, ...] = ()
    compatible: tuple[str, ...] = ()
    pci: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ()
    any_of_arch: bool = False


@dataclass(frozen=True)
class Cpu:
    """QEMU's name of the core, how many, and features they have or lack (names as in /proc/cpuinfo)."""

    core: str
    cores: int
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineChoice:
    """One engine the board can use, in the profile's order of preference.

    ``package`` is the distribution on PyPI; ``own_wheel`` says that PyPI's does not serve this board and
    the user must bring one. ``settings`` go to the engine as they are.
    """

    name: EngineName
    device: Literal["CPU", "GPU", "NPU"]
    precision: Literal["int8", "fp16", "fp32"]
    package: str
    provider: str = ""
    own_wheel: bool = False
    settings: dict[str, Scalar] = dataclasses.field(default_factory=dict)
    needs: str = ""
    why: str = ""


@dataclass(frozen=True)
class Image:
    """One operating system the board boots: its Python and glibc decide which wheels fit."""

    name: str
    os: str
    python: str
    glibc: str
    first_boot: Literal["cloud-init", "firstrun", "none"] = "none"
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Camera:
    """Where frames come from, as the runtime's ``source`` spells it, and what else the board can read."""

    source: str
    also: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sensors:
    """What the board can measure of itself; ``power`` "none" means an external meter is needed."""

    temperature: Literal["thermal", "hwmon", "none"] = "thermal"
    throttle: Literal["vcgencmd", "tegra", "intel", "none"] = "none"
    power: Literal["none", "pmic", "ina3221", "rapl"] = "none"


@dataclass(frozen=True)
class Deploy:
    """How ferlite runs there: ``memory_max_mb``, ``groups`` and ``devices`` limit its systemd unit."""

    threads: int
    user: str
    memory_max_mb: int = 0
    system_site_packages: bool = False
    groups: tuple[str, ...] = ("video",)
    devices: tuple[str, ...] = ("char-video4linux",)


@dataclass(frozen=True)
class Flash:
    """How a card is made: payload on the image's FAT partition, a package, or a hook of the vendor's tool."""

    method: Literal["fat", "deb", "rootfs-hook"]


@dataclass(frozen=True)
class Profile:
    """A whole profile, named by its file."""

    id: str
    name: str
    family: Family
    arch: Arch
    ram_gb: tuple[float, ...]
    match: Match
    cpu: Cpu
    engine: tuple[EngineChoice, ...]
    image: tuple[Image, ...]
    camera: Camera
    sensors: Sensors
    deploy: Deploy
    flash: Flash
    limits: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    schema: int = SCHEMA

    def image_named(self, name: str = "") -> Image:
        """The image of that name, or the first one. Raises BoardUnknown."""
        if not name:
            return self.image[0]
        for image in self.image:
            if image.name == name:
                return image
        names = ", ".join(image.name for image in self.image)
        raise BoardUnknown(f"{self.id} has no image '{name}': choose {names}")


def names() -> list[str]:
    """Ids of the profiles that come with ferlite."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_all() -> list[Profile]:
    """Every built-in profile, by id. Raises ProfileInvalid."""
    return [load(name) for name in names()]


def load(name_or_path: str) -> Profile:
    """Read a profile by its built-in id or from a ``.toml`` file. Raises BoardUnknown, ProfileInvalid."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = FOLDER / f"{name_or_path}.toml"
        if name_or_path not in names():
            raise BoardUnknown(
                f"unknown board '{name_or_path}': choose {', '.join(names())}, or a .toml file"
            )
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BoardUnknown(f"cannot read profile '{path}': {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ProfileInvalid(f"profile '{path}' is not UTF-8 text") from error
    return parse(text, str(path), path.stem)


def parse(text: str, where: str, stem: str) -> Profile:
    """Turn a profile's text into a Profile; ``stem`` must be its id. Raises ProfileInvalid."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileInvalid(f"profile '{where}' is not TOML: {error}") from error
    if table.get("schema") != SCHEMA:
        raise ProfileInvalid(f"profile '{where}': schema {table.get('schema')!r} is not {SCHEMA}")
    profile = _fill(Profile, table, f"profile '{where}'")
    if profile.id != stem:
        raise ProfileInvalid(f"profile '{where}': id '{profile.id}' is not the file's name '{stem}'")
    _check(profile, table, where)
    return profile


def _check(profile: Profile, table: dict[str, Any], where: str) -> None:
    for key in ("engine", "image", "ram_gb"):
        if not getattr(profile, key):
            raise ProfileInvalid(f"profile '{where}': '{key}' needs at least one entry")
    if profile.match == Match():
        raise ProfileInvalid(f"profile '{where}': 'match' is empty, so nothing would ever be this board")
    clash = sorted(set(profile.cpu.has) & set(profile.cpu.lacks))
    if clash:
        raise ProfileInvalid(f"profile '{where}': the CPU cannot both have and lack '{clash[0]}'")
    if profile.deploy.threads < 1 or profile.cpu.cores < 1:
        raise ProfileInvalid(f"profile '{where}': cores and threads must be at least 1")
    for dotted in profile.unverified:
        value: Any = table
        for part in dotted.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            raise ProfileInvalid(f"profile '{where}': unverified key '{dotted}' is not in the profile")


def _fill(cls: type[T], values: object, where: str) -> T:
    if not isinstance(values, dict):
        raise ProfileInvalid(f"{where}: {values!r} is not a table")
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ProfileInvalid(f"{where}: unknown key '{unknown[0]}'; valid keys: {', '.join(sorted(hints))}")
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    for field in fields:
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise ProfileInvalid(f"{where}: key '{field.name}' is missing")
    return cls(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in values.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _fill(typing.cast("type[Any]", kind), value, where)
    if origin is Literal:
        if value not in typing.get_args(kind):
            raise ProfileInvalid(f"{where} '{value}' is unknown: choose {', '.join(typing.get_args(kind))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ProfileInvalid(f"{where}: {value!r} is not a list")
        return tuple(_value(typing.get_args(kind)[0], item, where) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise ProfileInvalid(f"{where}: {value!r} is not a table")
        return {key: _value(typing.get_args(kind)[1], item, f"{where}: {key}") for key, item in value.items()}
    if origin in (types.UnionType, typing.Union):
        if type(value) not in typing.get_args(kind):
            raise ProfileInvalid(f"{where}: {value!r} is not text, a number, true or false")
        return value
    # A TOML integer is fine where a float is asked for, but true is not an integer here.
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ProfileInvalid(f"{where}: {value!r} is not {_KINDS[kind]}")
    return kind(value)


_KINDS: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
