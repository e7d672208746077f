"""``probe(root)``: what this board is. Reads files when called, writes nothing, needs no rights.

Every reader takes a tree, so a recorded /proc and /sys gives the same answer as the board it came from.
"""

from __future__ import annotations

import os
import platform
import re
import struct
from pathlib import Path

from boards import cpu, telemetry
from boards.facts import Accelerator, CameraFacts, Facts, Hardware, Memory, System
from boards.root_tree import Tree

_MACHINES = {0x28: "armhf", 0x3E: "x86_64", 0xB7: "aarch64", 0x03: "i386", 0xF3: "riscv64"}
_ELF_WITNESSES = ("/bin/sh", "/usr/bin/env", "/usr/bin/dash", "/usr/bin/bash", "/bin/busybox")
_NPU_IDS = {
    "8086:7d1d": "Intel NPU 3720 (Meteor Lake)",
    "8086:ad1d": "Intel NPU 3720 (Arrow Lake)",
    "8086:643e": "Intel NPU 4000 (Lunar Lake)",
    "8086:b03e": "Intel NPU 5010 (Panther Lake)",
    "8086:fd3e": "Intel NPU 5020 (Wildcat Lake)",
}
_CORAL_USB = {"1a6e:089a", "18d1:9302"}


def probe(root: str | Path = "/") -> Facts:
    """Find out everything about the board whose file tree is at ``root``."""
    tree = Tree(root)
    system = _system(tree)
    hardware = _hardware(tree)
    return Facts(
        hardware=hardware,
        system=system,
        cpu=cpu.read(tree, system.arch),
        memory=_memory(tree),
        accelerators=_accelerators(tree, hardware),
        cameras=_cameras(tree),
        telemetry=telemetry.read(tree),
        denied=tuple(tree.denied),
    )


def _hardware(tree: Tree) -> Hardware:
    compatible = tree.raw("/proc/device-tree/compatible") or b""
    strings = (part.decode("utf-8", errors="replace") for part in compatible.split(b"\0") if part.strip())
    word = tree.raw("/proc/device-tree/system/linux,revision", 5)
    revision = struct.unpack(">I", word)[0] if word is not None and len(word) == 4 else None
    if revision is None:
        found = re.search(r"^Revision\s*:\s*([0-9a-fA-F]{4,8})$", tree.text("/proc/cpuinfo") or "", re.M)
        revision = int(found[1], 16) if found else None
    return Hardware(
        model=tree.text("/proc/device-tree/model"),
        compatible=tuple(strings),
        revision=revision,
        # Bit 23 marks the new scheme; before it, words were a plain running number.
        revision_type=(revision >> 4) & 0xFF if revision is not None and revision >> 23 & 1 else None,
        pci=_ids(tree, "/sys/bus/pci/devices", "vendor", "device"),
        usb=_ids(tree, "/sys/bus/usb/devices", "idVendor", "idProduct"),
    )


def _ids(tree: Tree, folder: str, vendor: str, device: str) -> tuple[str, ...]:
    pairs = (
        (tree.hexadecimal(f"{x}/{vendor}"), tree.hexadecimal(f"{x}/{device}")) for x in tree.names(folder)
    )
    return tuple(f"{v:04x}:{d:04x}" for v, d in pairs if v is not None and d is not None)


def _system(tree: Tree) -> System:
    release = tree.text("/etc/os-release") or tree.text("/usr/lib/os-release") or ""
    keys = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?\s*$', release, re.M))
    arch, bits = _userland(tree)
    return System(
        name=keys.get("PRETTY_NAME") or keys.get("NAME") or None,
        codename=keys.get("VERSION_CODENAME") or None,
        arch=arch,
        bits=bits,
        kernel=tree.text("/proc/sys/kernel/osrelease"),
        python=_python(tree),
        glibc=_glibc(tree),
        l4t=_l4t(tree),
    )


def _userland(tree: Tree) -> tuple[str | None, int | None]:
    """Architecture and word size of the programs: a 32-bit system can run on a 64-bit kernel."""
    for witness in _ELF_WITNESSES:
        head = tree.raw(witness, 20)
        if head is not None and len(head) == 20 and head[:4] == b"\x7fELF" and head[4] in (1, 2):
            machine = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])[0]
            return _MACHINES.get(machine, f"machine-{machine:#x}"), 32 if head[4] == 1 else 64
    if tree.is_live:
        return platform.machine() or None, struct.calcsize("P") * 8
    return None, None


def _python(tree: Tree) -> str | None:
    target = tree.link_name("/usr/bin/python3") or ""
    found = re.fullmatch(r"python(3\.\d{1,3})", target)
    if found:
        return found[1]
    versions = [
        re.fullmatch(r"python(3\.\d{1,3})", x.rsplit("/", 1)[-1]) for x in tree.names("/usr/bin", "python3.*")
    ]
    known = [match[1] for match in versions if match]
    return known[-1] if known else None


def _glibc(tree: Tree) -> str | None:
    for folder in ("/lib", "/usr/lib"):
        for library in (
            *tree.names(folder, "*-linux-gnu*/libc.so.6"),
            f"{folder}/libc.so.6",
            f"{folder}64/libc.so.6",
        ):
            found = re.search(
                rb"GNU C Library [^\n]{0,100}version (\d+\.\d+)", tree.raw(library, 8 << 20) or b""
            )
            if found:
                return found[1].decode()
    return None


def _l4t(tree: Tree) -> str | None:
    """NVIDIA's Linux-for-Tegra release, such as 36.4.7; from the release file or the package database."""
    text = tree.text("/etc/nv_tegra_release") or ""
    found = re.search(r"#\s*R(\d{1,3})\s*\(release\),\s*REVISION:\s*(\d{1,3}(?:\.\d{1,3})*)", text)
    if found:
        return f"{found[1]}.{found[2]}"
    status = tree.raw("/var/lib/dpkg/status", 32 << 20) or b""
    package = re.search(rb"^Package: nvidia-l4t-core\n(?:[^\n]+\n)*?Version: (\d+(?:\.\d+)*)", status, re.M)
    return package[1].decode() if package else None


def _memory(tree: Tree) -> Memory:
    sizes = dict(re.findall(r"^(\w+):\s*(\d{1,15}) kB$", tree.text("/proc/meminfo") or "", re.M))
    total, available, swap = (
        int(sizes[key]) // 1024 if key in sizes else None for key in ("MemTotal", "MemAvailable", "SwapTotal")
    )
    return Memory(total_mb=total or None, available_mb=available, swap_mb=swap)


def _accelerators(tree: Tree, hardware: Hardware) -> tuple[Accelerator, ...]:
    found = []
    for folder in tree.names("/sys/class/accel", "accel*"):
        ids = tree.hexadecimal(f"{folder}/device/vendor"), tree.hexadecimal(f"{folder}/device/device")
        name = f"{ids[0]:04x}:{ids[1]:04x}" if None not in ids else None
        node = f"/dev/accel/{folder.rsplit('/', 1)[-1]}"
        busy = tree.whole(f"{folder}/device/npu_busy_time_us")
        found.append(
            Accelerator(
                kind=_NPU_IDS.get(name or "", "accelerator"),
                id=name,
                node=node if tree.exists(node) else None,
                driver=tree.link_name(f"{folder}/device/driver"),
                busy_us=busy if busy is not None and busy >= 0 else None,
            )
        )
    seen = {one.id for one in found}
    found += [
        Accelerator(_NPU_IDS[one], id=one) for one in hardware.pci if one in _NPU_IDS and one not in seen
    ]
    found += [Accelerator("Hailo", node=node) for node in tree.names("/dev", "hailo[0-9]*")]
    found += [Accelerator("Coral Edge TPU", id=one) for one in hardware.usb if one in _CORAL_USB]
    return tuple(found)


def _cameras(tree: Tree) -> tuple[CameraFacts, ...]:
    found = []
    for folder in tree.names("/sys/class/video4linux", "video[0-9]*"):
        # A camera shows several nodes; only the first of each (index 0) gives frames.
        if tree.whole(f"{folder}/index") not in (0, None):
            continue
        where = tree.link(folder) or tree.link(f"{folder}/device") or ""
        bus = "usb" if "/usb" in where else "platform" if "/platform" in where else None
        found.append(CameraFacts(f"/dev/{folder.rsplit('/', 1)[-1]}", tree.text(f"{folder}/name"), bus))
    return tuple(found)


def in_group(name: str) -> bool | None:
    """Whether the calling user is in a group; None where there is no such group."""
    import grp

    try:
        return grp.getgrnam(name).gr_gid in (*os.getgroups(), os.getegid()) or os.geteuid() == 0
    except KeyError:
        return None
