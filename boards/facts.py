"""What a probe found out: frozen dataclasses, nothing else. None and empty mean "not known"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hardware:
    """Names the board gives itself. ``revision_type`` is bits 4-11 of a Raspberry Pi's revision word."""

    model: str | None = None
    compatible: tuple[str, ...] = ()
    revision: int | None = None
    revision_type: int | None = None
    pci: tuple[str, ...] = ()
    usb: tuple[str, ...] = ()


@dataclass(frozen=True)
class System:
    """The operating system. ``arch`` and ``bits`` are of the programs, not of the kernel."""

    name: str | None = None
    codename: str | None = None
    arch: str | None = None
    bits: int | None = None
    kernel: str | None = None
    python: str | None = None
    glibc: str | None = None
    l4t: str | None = None


@dataclass(frozen=True)
class CpuFacts:
    """The CPU: name, core, how many, and the instruction sets that matter to int8 inference."""

    name: str | None = None
    core: str | None = None
    cores: int | None = None
    features: tuple[str, ...] = ()
    features_known: bool = False

    @property
    def int8(self) -> tuple[str, ...]:
        """Names, for people, of the int8 instructions that are there."""
        labels = {
            "asimddp": "dotprod",
            "i8mm": "i8mm",
            "avx_vnni": "AVX-VNNI",
            "avx512_vnni": "AVX512-VNNI",
            "amx_int8": "AMX-INT8",
        }
        return tuple(label for key, label in labels.items() if key in self.features)


@dataclass(frozen=True)
class Memory:
    """Sizes in MB (2**20 bytes)."""

    total_mb: int | None = None
    available_mb: int | None = None
    swap_mb: int | None = None


@dataclass(frozen=True)
class Accelerator:
    """An NPU or inference stick. ``node`` is its device file, ``busy_us`` its busy time since boot."""

    kind: str
    id: str | None = None
    node: str | None = None
    driver: str | None = None
    busy_us: int | None = None


@dataclass(frozen=True)
class CameraFacts:
    """A device that may give frames."""

    node: str
    name: str | None = None
    bus: str | None = None


@dataclass(frozen=True)
class Telemetry:
    """Temperature in °C, clocks in MHz; ``throttled`` lists what limits the clock now, or did since boot."""

    temperature_c: float | None = None
    temperature_from: str | None = None
    clock_mhz: float | None = None
    clock_max_mhz: float | None = None
    governor: str | None = None
    throttled: tuple[str, ...] | None = None
    throttled_before: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Facts:
    """Everything a probe found, with the files that it was not allowed to read."""

    hardware: Hardware
    system: System
    cpu: CpuFacts
    memory: Memory
    accelerators: tuple[Accelerator, ...]
    cameras: tuple[CameraFacts, ...]
    telemetry: Telemetry
    denied: tuple[str, ...] = ()


def from_json(table: dict[str, Any]) -> Facts:
    """Facts from what ``dataclasses.asdict`` made of them. Raises KeyError, TypeError."""
    return Facts(
        hardware=Hardware(**_tuples(table["hardware"])),
        system=System(**_tuples(table["system"])),
        cpu=CpuFacts(**_tuples(table["cpu"])),
        memory=Memory(**_tuples(table["memory"])),
        accelerators=tuple(Accelerator(**_tuples(one)) for one in table["accelerators"]),
        cameras=tuple(CameraFacts(**_tuples(one)) for one in table["cameras"]),
        telemetry=Telemetry(**_tuples(table["telemetry"])),
        denied=tuple(table["denied"]),
    )


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
