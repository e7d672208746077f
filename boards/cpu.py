"""CPU facts: /proc/cpuinfo, and the kernel's HWCAP bits where cpuinfo does not list features."""

from __future__ import annotations

import re
import struct

from boards.facts import CpuFacts
from boards.root_tree import Tree

# (implementer, part) as the kernel prints them: Arm's Main ID Register.
_CORES = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD04): "Cortex-A35",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x4E, 0x003): "Denver 2",
    (0x4E, 0x004): "Carmel",
}
_AT_HWCAP, _AT_HWCAP2 = 16, 26
# Bits of the arm64 kernel's uapi/asm/hwcap.h.
_HWCAP = {1: "asimd", 9: "fphp", 10: "asimdhp", 20: "asimddp", 22: "sve"}
_HWCAP2 = {1: "sve2", 13: "i8mm", 14: "bf16"}


def read(tree: Tree, arch: str | None) -> CpuFacts:
    """The CPU's facts. ``arch`` decides whether HWCAP bits may be asked for (they are arm64's here)."""
    blocks = _blocks(tree.text("/proc/cpuinfo") or "")
    first = blocks[0] if blocks else {}
    text = first.get("features") or first.get("flags")
    features = tuple(text.split()) if text else ()
    if not features and arch == "aarch64":
        features = _from_auxv(tree.raw("/proc/self/auxv"))
    return CpuFacts(
        name=first.get("model name") or None,
        core=_core(first),
        cores=_count(tree, blocks),
        features=features,
        features_known=bool(features),
    )


def _blocks(text: str) -> list[dict[str, str]]:
    """One table per processor; the board-wide lines at the end of an Arm cpuinfo are none."""
    blocks = []
    for part in re.split(r"\n\s*\n", text):
        pairs = (line.split(":", 1) for line in part.splitlines() if ":" in line)
        block = {key.strip().lower(): value.strip() for key, value in pairs}
        if block.get("processor", "").isdigit():
            blocks.append(block)
    return blocks


def _core(block: dict[str, str]) -> str | None:
    try:
        key = int(block["cpu implementer"], 16), int(block["cpu part"], 16)
    except (KeyError, ValueError):
        return None
    return _CORES.get(key, f"implementer {key[0]:#04x} part {key[1]:#05x}")


def _count(tree: Tree, blocks: list[dict[str, str]]) -> int | None:
    present = tree.text("/sys/devices/system/cpu/present") or ""
    total = 0
    for part in present.split(","):
        span = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part.strip())
        if not span or int(span[2] or span[1]) < int(span[1]):
            return len(blocks) or None
        total += int(span[2] or span[1]) - int(span[1]) + 1
    return total


def _from_auxv(raw: bytes | None) -> tuple[str, ...]:
    if not raw:
        return ()
    values = dict(struct.iter_unpack("<QQ", raw[: len(raw) // 16 * 16]))
    found = [name for bit, name in _HWCAP.items() if values.get(_AT_HWCAP, 0) >> bit & 1]
    found += [name for bit, name in _HWCAP2.items() if values.get(_AT_HWCAP2, 0) >> bit & 1]
    return tuple(found)
