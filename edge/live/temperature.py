"""How hot this computer is, as its kernel tells it."""

from __future__ import annotations

from pathlib import Path

# What the processor's zone is called on the boards that we know; another zone may be a battery's.
CPU_ZONES = ("cpu-thermal", "cpu_thermal", "x86_pkg_temp", "tcpu", "soc-thermal", "acpitz")
COLDEST, HOTTEST = -40.0, 150.0  # outside this the sensor is wrong, not the board


def temperature(root: str | Path = "/") -> float | None:
    """Degrees Celsius of the processor, or of the first zone that has a name; None where nothing tells."""
    zones: dict[str, float] = {}
    for zone in sorted((Path(root) / "sys/class/thermal").glob("thermal_zone*")):
        try:
            degrees = int((zone / "temp").read_text()) / 1000
            name = (zone / "type").read_text().strip().lower()
        except (OSError, ValueError):
            continue
        if COLDEST <= degrees <= HOTTEST:
            zones.setdefault(name, degrees)
    return next((zones[name] for name in CPU_ZONES if name in zones), next(iter(zones.values()), None))
