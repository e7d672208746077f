"""A board's profile: frozen dataclasses filled from one TOML file, an unknown key or engine being an error.

A profile says how to recognise a board, what its system images bring, and in which order its engines
are tried. What the boards of a ``family`` share stands once, in ``families/``: the board's own keys go
before the family's, tables are joined key by key, and ``limits`` and ``unverified`` add up.
``unverified`` lists the keys that are known only from memory: nobody has read them off a board yet, and
``ferlite boards show`` marks them. A test holds that every key is used by something.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from boards.engines import LIBRARIES, Device, EngineName, Library, Provider
from boards.errors import BoardUnknown, ProfileInvalid
from edge.strict import fill, read_toml, within

FOLDER = Path(__file__).parent / "profiles"
FAMILIES = FOLDER / "families"
# These lists of a board are added to its family's; of every other key the board's own value counts.
_ADDED = ("limits", "unverified")
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}")

Arch = Literal["aarch64", "x86_64"]
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
    cores: int = dataclasses.field(metadata=within(1, 4096))
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineChoice:
    """One engine the board can use, in the profile's order of preference.

    ``precision`` is what the device computes in. ``provider`` is ONNX Runtime's way to a GPU, and belongs
    to that alone. ``own_wheel`` says that PyPI's wheel does not serve this board and the user must bring
    one. ``settings`` go to the engine as they are.
    """

    name: EngineName
    device: Device
    precision: Literal["int8", "fp16", "fp32"]
    provider: Provider | None = None
    own_wheel: bool = False
    settings: dict[str, Scalar] = dataclasses.field(default_factory=dict)
    needs: str = ""

    @property
    def library(self) -> Library:
        """What it is installed from, and what that does."""
        return LIBRARIES[self.name, self.device]


@dataclass(frozen=True)
class Image:
    """One operating system the board boots: its Python and glibc decide which wheels fit."""

    name: str
    os: str
    python: str
    glibc: str
    first_boot: Literal["cloud-init", "firstrun", "none"] = "none"


@dataclass(frozen=True)
class Camera:
    """Where frames come from, as the runtime's ``source`` spells it, and what else the board can read.

    ``system_packages`` are the system's own packages without which ``source`` gives no frame.
    """

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

    threads: int = dataclasses.field(metadata=within(1, 4096))
    memory_max_mb: int = dataclasses.field(default=0, metadata=within(0, 1 << 22))
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
    arch: Arch
    ram_gb: tuple[float, ...] = dataclasses.field(metadata=within(0.125, 4096))
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

    def image_named(self, name: str = "") -> Image:
        """The image of that name, or the first one. Raises BoardUnknown."""
        if not name:
            return self.image[0]
        for image in self.image:
            if image.name == name:
                return image
        names = ", ".join(image.name for image in self.image)
        raise BoardUnknown(f"{self.id} has no image '{name}': choose {names}")


_KEYS = (*(field.name for field in dataclasses.fields(Profile)), "family")


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


def families() -> list[str]:
    """Names of the families whose boards share a file."""
    return sorted(path.stem for path in FAMILIES.glob("*.toml"))


def parse(text: str, where: str, stem: str) -> Profile:
    """Turn a profile's text into a Profile; ``stem`` must be its id. Raises ProfileInvalid."""
    where = f"profile '{where}'"
    table = read_toml(text, where, _KEYS, ProfileInvalid)
    family = table.pop("family", None)
    if family is not None:
        if family not in families():
            raise ProfileInvalid(f"{where}: family '{family}' is unknown: choose {', '.join(families())}")
        shared = FAMILIES / f"{family}.toml"
        table = _joined(
            read_toml(shared.read_text(encoding="utf-8"), f"family '{shared}'", _KEYS, ProfileInvalid), table
        )
    profile = fill(Profile, table, where, ProfileInvalid)
    if profile.id != stem:
        raise ProfileInvalid(f"{where}: id '{profile.id}' is not the file's name '{stem}'")
    _check(profile, where)
    _check_unverified(profile, table, where)
    return profile


def _joined(family: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The family's table with the board's own keys put over it."""
    joined = dict(family)
    for key, value in own.items():
        shared = family.get(key)
        if isinstance(shared, dict) and isinstance(value, dict):
            joined[key] = _joined(shared, value)
        elif key in _ADDED and isinstance(shared, list) and isinstance(value, list):
            joined[key] = [*shared, *value]
        else:
            joined[key] = value
    return joined


def _check(profile: Profile, where: str) -> None:
    for key in ("engine", "image", "ram_gb"):
        if not getattr(profile, key):
            raise ProfileInvalid(f"{where}: '{key}' needs at least one entry")
    if profile.match == Match():
        raise ProfileInvalid(f"{where}: 'match' is empty, so nothing would ever be this board")
    clash = sorted(set(profile.cpu.has) & set(profile.cpu.lacks))
    if clash:
        raise ProfileInvalid(f"{where}: the CPU cannot both have and lack '{clash[0]}'")
    if profile.deploy.threads > profile.cpu.cores:
        raise ProfileInvalid(f"{where}: {profile.deploy.threads} threads are more than its cores")
    for image in profile.image:
        if not (_VERSION.fullmatch(image.python) and _VERSION.fullmatch(image.glibc)):
            raise ProfileInvalid(
                f"{where}: image '{image.name}' has Python '{image.python}' and glibc '{image.glibc}', "
                "and needs two numbers for each, as in 3.13 and 2.41"
            )
    for engine in profile.engine:
        _check_engine(engine, where)


def _check_engine(engine: EngineChoice, where: str) -> None:
    if (engine.name, engine.device) not in LIBRARIES:
        devices = ", ".join(device for name, device in LIBRARIES if name == engine.name)
        raise ProfileInvalid(f"{where}: engine {engine.name} has no {engine.device}: choose {devices}")
    for name, value in engine.settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ProfileInvalid(f"{where}: engine {engine.name}: setting '{name}' is {value}, no number")
    if (engine.provider is not None) != (engine.name == "onnx" and engine.device != "CPU"):
        raise ProfileInvalid(
            f"{where}: engine {engine.name} on {engine.device}: 'provider' belongs to onnx on a GPU, and "
            f"there it is one of {', '.join(get_args(Provider))}"
        )


def _check_unverified(profile: Profile, table: dict[str, Any], where: str) -> None:
    for dotted in profile.unverified:
        value: Any = table
        for part in dotted.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            raise ProfileInvalid(f"{where}: unverified key '{dotted}' is not in the profile")
