"""Temperature, clock and throttling as the kernel tells them; a value that cannot be true is not told."""

from __future__ import annotations

import re
import shutil
import subprocess

from boards.facts import Telemetry
from boards.root_tree import Tree

# Outside this the sensor is wrong, not the board: silicon neither freezes here nor survives there.
_COLDEST, _HOTTEST = -40.0, 150.0
_CPU_ZONES = ("cpu-thermal", "cpu_thermal", "x86_pkg_temp", "tcpu", "soc-thermal", "acpitz")
_CPU_HWMON = ("coretemp", "k10temp", "cpu_thermal")
_PI_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_PI_SYSFS = "/sys/devices/platform/soc/soc:firmware/get_throttled"


def read(tree: Tree) -> Telemetry:
    """What the board says of its own heat and speed at this moment."""
    temperature, source = _temperature(tree)
    now, before = _throttled(tree)
    frequency = "/sys/devices/system/cpu/cpu0/cpufreq"
    return Telemetry(
        temperature_c=temperature,
        temperature_from=source,
        clock_mhz=_mhz(tree, f"{frequency}/scaling_cur_freq"),
        clock_max_mhz=_mhz(tree, f"{frequency}/cpuinfo_max_freq"),
        governor=tree.text(f"{frequency}/scaling_governor"),
        throttled=now,
        throttled_before=before,
    )


def _mhz(tree: Tree, name: str) -> float | None:
    khz = tree.whole(name)
    return khz / 1000 if khz is not None and 0 < khz < 20_000_000 else None


def _temperature(tree: Tree) -> tuple[float | None, str | None]:
    readings: dict[str, float] = {}
    for zone in tree.names("/sys/class/thermal", "thermal_zone*"):
        kind, celsius = tree.text(f"{zone}/type"), _celsius(tree, f"{zone}/temp")
        if celsius is not None:
            readings.setdefault((kind or zone.rsplit("/", 1)[-1]).lower(), celsius)
    for chip in tree.names("/sys/class/hwmon", "hwmon*"):
        name, celsius = tree.text(f"{chip}/name"), _celsius(tree, f"{chip}/temp1_input")
        if celsius is not None and name in _CPU_HWMON:
            readings.setdefault(name, celsius)
    for wanted in (*_CPU_ZONES, *_CPU_HWMON):
        if wanted in readings:
            return readings[wanted], wanted
    return next(((value, name) for name, value in readings.items()), (None, None))


def _celsius(tree: Tree, name: str) -> float | None:
    milli = tree.whole(name)
    if milli is None or not _COLDEST <= milli / 1000 <= _HOTTEST:
        return None
    return milli / 1000


def _throttled(tree: Tree) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """What throttles now, and what did since boot; None where the board cannot tell."""
    word = tree.hexadecimal(_PI_SYSFS)
    if word is None and tree.is_live and shutil.which("vcgencmd"):
        word = _vcgencmd()
    if word is not None:
        return pi_bits(word)
    return _tegra_alarms(tree) or _intel_counts(tree) or (None, None)


def pi_bits(word: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The Raspberry Pi firmware's throttling word as (now, since boot)."""
    now = tuple(text for bit, text in _PI_BITS.items() if word >> bit & 1)
    before = tuple(text for bit, text in _PI_BITS.items() if word >> (bit + 16) & 1)
    return now, before


def _vcgencmd() -> int | None:
    try:
        done = subprocess.run(
            ["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    word = re.fullmatch(r"throttled=0x([0-9a-fA-F]{1,8})", done.stdout.strip())
    return int(word[1], 16) if word and done.returncode == 0 else None


def _tegra_alarms(tree: Tree) -> tuple[tuple[str, ...], None] | None:
    """Over-current alarms of a Jetson's power monitor; they say nothing of the past."""
    known, raised = False, []
    for chip in tree.names("/sys/class/hwmon", "hwmon*"):
        if tree.text(f"{chip}/name") != "ina3221":
            continue
        for alarm in tree.names(chip, "curr*_alarm"):
            value = tree.whole(alarm)
            if value in (0, 1):
                known = True
                raised += [f"over-current ({alarm.rsplit('/', 1)[-1]})"] if value else []
    return (tuple(raised), None) if known else None


def _intel_counts(tree: Tree) -> tuple[None, tuple[str, ...]] | None:
    """Intel counts throttling events since boot; whether one is going on cannot be read."""
    counts = [
        tree.whole(f"{cpu}/thermal_throttle/{kind}_throttle_count")
        for cpu in tree.names("/sys/devices/system/cpu", "cpu[0-9]*")
        for kind in ("core", "package")
    ]
    known = [count for count in counts if count is not None and count >= 0]
    if not known:
        return None
    return None, (f"thermal throttling ({sum(known)} events)",) if sum(known) else ()
