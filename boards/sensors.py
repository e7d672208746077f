"""Power sensors: what they cover, what they leave out, and watts.

``find`` looks for one in the board's files or goes to the meter that was named. No sensor is no figure:
nothing here estimates. Everything under ``root``, so that a reconstructed tree stands in for a board.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from boards.errors import UsageError
from boards.meters import EXAMPLES, meter
from boards.root_tree import Tree
from boards.sensor import Sensor, SensorFailed, SensorUnknown, output, plausible

NAMES = ("ina3221", "pmic", "ina2xx", "rapl")
METERS = ("shelly:ADDRESS", "tasmota:ADDRESS", "command:PROGRAM")
_TOTALS = ("VDD_IN", "POM_5V_IN")
_RAIL = re.compile(r"^\s*(\S+)_([AV])\s+(?:current|volt)\(\d+\)=(-?\d+(?:\.\d+)?)[AV]\s*$", re.M)
_CALIBRATED = ("ina219", "ina220", "ina226", "ina230", "ina231")


def find(wanted: str = "auto", root: str | Path = "/") -> Sensor | None:
    """The named sensor, or with "auto" the first that this board has; None where it has none.

    Raises SensorUnknown where a named one is not here, SensorFailed where it is and does not answer,
    UsageError for a name that means nothing.
    """
    kind, _, rest = wanted.partition(":")
    if kind in EXAMPLES:
        return meter(kind, rest)
    tree = Tree(root)
    makers = {"ina3221": _ina3221, "pmic": _pmic, "ina2xx": _ina2xx, "rapl": _rapl}
    if wanted == "auto":
        found = (make(tree) for make in makers.values())
        return next((sensor for sensor in found if sensor is not None), None)
    if wanted not in makers:
        choices = ", ".join(("auto", "none", *NAMES, *METERS))
        raise UsageError(f"unknown power sensor '{wanted}': choose {choices}")
    sensor = makers[wanted](tree)
    if sensor is None:
        raise SensorUnknown(why_not(wanted, tree))
    return sensor


def why_not(wanted: str, tree: Tree) -> str:
    """Why the named sensor cannot be read here, as one sentence."""
    if tree.denied:
        return (
            f"sensor '{wanted}' is here, but '{tree.denied[0]}' may only be read by root: run this with sudo"
        )
    return f"this board has no sensor '{wanted}'"


def not_measurable(root: str | Path = "/") -> str:
    """What to say where ``find`` gave None."""
    tree = Tree(root)
    for make in (_ina3221, _pmic, _ina2xx, _rapl):
        make(tree)
    denied = f" ('{tree.denied[0]}' may only be read by root)" if tree.denied else ""
    return f"not measurable on this board: it has no power sensor{denied}; name a meter, one of " + ", ".join(
        METERS
    )


def _need(name: str, file: str, value: int | None) -> int:
    if value is None:
        raise SensorFailed(f"sensor '{name}': '{file}' can no longer be read")
    return value


def _ina3221(tree: Tree) -> Sensor | None:
    """A Jetson's own monitor: the input rail where there is one, else all rails together.

    JetPack 5 and later: hwmon, mV and mA (kernel ina3221.rst: channels 1-3 are rails, 7 is their sum).
    JetPack 4: iio, mW.
    """
    rails = _hwmon_rails(tree) or _iio_rails(tree)
    if not rails:
        return None
    total = next((name for name in _TOTALS if name in rails), None)
    chosen = {total: rails[total]} if total else rails
    if total:
        covers, leaves_out = f"the module's input ({total})", "the carrier board and what is plugged into it"
    else:
        covers = f"the sum of the module's rails ({', '.join(rails)})"
        leaves_out = "the carrier board, what is plugged into it, and losses before the rails"

    def watts() -> float:
        return plausible("ina3221", sum(read() for read in chosen.values()))

    watts()
    return Sensor("ina3221", covers, leaves_out, 10.0, 5.0, watts)


def _hwmon_rails(tree: Tree) -> dict[str, Callable[[], float]]:
    rails: dict[str, Callable[[], float]] = {}
    for chip in tree.names("/sys/bus/i2c/devices", "*/hwmon/hwmon*"):
        if tree.text(f"{chip}/name") != "ina3221":
            continue
        for channel in (1, 2, 3):
            label = tree.text(f"{chip}/in{channel}_label")
            files = f"{chip}/in{channel}_input", f"{chip}/curr{channel}_input"
            if label and label != "NC" and all(tree.whole(file) is not None for file in files):
                rails[_free(label, rails)] = _product(tree, "ina3221", files, 1e-6)
    return rails


def _iio_rails(tree: Tree) -> dict[str, Callable[[], float]]:
    rails: dict[str, Callable[[], float]] = {}
    for chip in tree.names("/sys/bus/i2c/devices", "*/iio:device*"):
        for channel in (0, 1, 2):
            label, file = tree.text(f"{chip}/rail_name_{channel}"), f"{chip}/in_power{channel}_input"
            if label and label != "NC" and tree.whole(file) is not None:
                rails[_free(label, rails)] = _product(tree, "ina3221", (file,), 1e-3)
    return rails


def _free(label: str, taken: dict[str, Callable[[], float]]) -> str:
    """The label, or with a number where two chips have one of that name."""
    number, name = 1, label
    while name in taken:
        number += 1
        name = f"{label} {number}"
    return name


def _checked(name: str, read: Callable[[], float]) -> Callable[[], float]:
    return lambda: plausible(name, read())


def _product(tree: Tree, name: str, files: Sequence[str], unit: float) -> Callable[[], float]:
    """Reads the files' product, in watts."""

    def read() -> float:
        return math.prod(_need(name, file, tree.whole(file)) for file in files) * unit

    return read


def _ina2xx(tree: Tree) -> Sensor | None:
    """An INA219, INA226 or relative soldered in by somebody (kernel ina2xx.rst): µW, or mV and mA."""
    for chip in tree.names("/sys/class/hwmon", "hwmon*"):
        kind = tree.text(f"{chip}/name")
        if kind not in _CALIBRATED:
            continue
        if tree.whole(f"{chip}/power1_input") is not None:
            read = _product(tree, "ina2xx", (f"{chip}/power1_input",), 1e-6)
        elif all(tree.whole(f"{chip}/{one}1_input") is not None for one in ("in", "curr")):
            # Channel 0 is the drop over the shunt, channel 1 the supply.
            read = _product(tree, "ina2xx", (f"{chip}/in1_input", f"{chip}/curr1_input"), 1e-6)
        else:
            continue
        shunt = tree.whole(f"{chip}/shunt_resistor")
        told = f"{shunt} µOhm" if shunt else "unknown"
        return Sensor(
            "ina2xx",
            f"what is behind the shunt of the {kind} (shunt as the kernel was told: {told})",
            "whatever is fed around the shunt; a wrong shunt value scales every figure",
            10.0,
            5.0,
            _checked("ina2xx", read),
        )
    return None


def _pmic(tree: Tree) -> Sensor | None:
    """A Raspberry Pi 5's power chip through ``vcgencmd pmic_read_adc``: volts times amperes of each rail."""
    program = tree.path("/usr/bin/vcgencmd")
    if not tree.exists("/usr/bin/vcgencmd"):
        return None

    def watts() -> float:
        said = output([str(program), "pmic_read_adc"], "pmic")
        rails: dict[str, dict[str, float]] = {}
        for name, unit, value in _RAIL.findall(said):
            rails.setdefault(name, {})[unit] = float(value)
        powers = [rail["A"] * rail["V"] for rail in rails.values() if len(rail) == 2]
        if not powers:
            raise SensorFailed(f"sensor 'pmic': vcgencmd tells no rails, but '{said.strip()[:60]}'")
        return plausible("pmic", sum(powers))

    try:
        watts()
    except SensorFailed:
        return None  # a Raspberry Pi before the 5 has the program and not the chip
    leaves_out = "the 5 V users (USB, HATs, NVMe), the power chip's own losses and the supply's"
    return Sensor("pmic", "the rails behind the board's power chip", leaves_out, 5.0, 10.0, watts)


def _rapl(tree: Tree) -> Sensor | None:
    """Intel's and AMD's energy counters of whole packages, in µJ; each wraps at its own range."""
    zones = [
        zone
        for zone in tree.names("/sys/class/powercap", "intel-rapl:[0-9]*")
        if (tree.text(f"{zone}/name") or "").startswith("package")
        and tree.whole(f"{zone}/energy_uj") is not None
    ]
    if not zones:
        return None
    counter = Counter(tree, zones)
    leaves_out = "memory, disks, screen, mainboard and supply: everything that is not the processor package"
    covers = f"the processor {'package' if len(zones) == 1 else f'packages ({len(zones)})'}"
    return Sensor("rapl", covers, leaves_out, 10.0, 2.0, counter.watts)


class Counter:
    """Energy counters whose difference over time is power."""

    def __init__(self, tree: Tree, zones: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._tree, self._zones, self._clock = tree, tuple(zones), clock
        self._ranges = [tree.whole(f"{zone}/max_energy_range_uj") for zone in zones]
        self._last, self._when = self._read(), clock()

    def _read(self) -> list[int]:
        files = [f"{zone}/energy_uj" for zone in self._zones]
        return [_need("rapl", file, self._tree.whole(file)) for file in files]

    def watts(self) -> float:
        """Mean since the last call. Raises SensorFailed."""
        now, when = self._read(), self._clock()
        joules = 0.0
        for before, after, most in zip(self._last, now, self._ranges, strict=True):
            step = after - before
            if step < 0:
                if most is None:
                    raise SensorFailed("sensor 'rapl': the counter wrapped, and its range cannot be read")
                step += most + 1  # the counter runs from 0 to its range
            joules += step * 1e-6
        elapsed = when - self._when
        self._last, self._when = now, when
        if elapsed <= 0:
            raise SensorFailed("sensor 'rapl' was asked twice in one moment")
        return plausible("rapl", joules / elapsed)
