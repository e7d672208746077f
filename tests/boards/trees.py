"""Reconstructed file trees of boards: the files a probe reads, with the contents such a board gives.

Written from the boards' public documentation and kernel sources, not copied off a board.
"""

from __future__ import annotations

import struct
from pathlib import Path

A53 = "fp asimd evtstrm crc32 cpuid"
A76 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
INTEL = "fpu sse sse2 ssse3 sse4_1 sse4_2 avx avx2 avx_vnni"


def elf(bits: int, machine: int) -> bytes:
    """The first bytes of a little-endian program."""
    head = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    return head + struct.pack("<HH", 3, machine) + bytes(44)


def arm_cpuinfo(part: int, features: str, cores: int = 4, implementer: int = 0x41, tail: str = "") -> str:
    """An arm64 /proc/cpuinfo."""
    block = (
        "processor\t: {}\nBogoMIPS\t: 38.40\nFeatures\t: {}\nCPU implementer\t: {:#x}\n"
        "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {:#05x}\nCPU revision\t: 4\n\n"
    )
    return "".join(block.format(core, features, implementer, part) for core in range(cores)) + tail


def x86_cpuinfo(name: str, flags: str, cores: int = 4) -> str:
    """An x86 /proc/cpuinfo."""
    return "".join(f"processor\t: {n}\nmodel name\t: {name}\nflags\t\t: {flags}\n\n" for n in range(cores))


def os_release(pretty: str, codename: str) -> str:
    return f'PRETTY_NAME="{pretty}"\nNAME="x"\nVERSION_CODENAME={codename}\n'


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    """Put files under ``root``; a text beginning with "->" becomes a symbolic link."""
    for name, content in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str) and content.startswith("->"):
            path.symlink_to(content[2:])
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def linux(
    arch: str, python: str, glibc: str, pretty: str, codename: str, ram_kb: int = 3884000
) -> dict[str, str | bytes]:
    machine = {"aarch64": 0xB7, "x86_64": 0x3E, "armhf": 0x28}[arch]
    return {
        "/bin/sh": elf(32 if arch == "armhf" else 64, machine),
        "/etc/os-release": os_release(pretty, codename),
        "/usr/bin/python3": f"->python{python}",
        f"/usr/lib/{arch}-linux-gnu/libc.so.6": b"\0" * 5000
        + f"GNU C Library (Debian GLIBC {glibc}-9) stable release version {glibc}.\n".encode(),
        "/proc/sys/kernel/osrelease": "6.12.34+rpt-rpi-v8\n",
        "/proc/meminfo": f"MemTotal: {ram_kb} kB\nMemAvailable:    3100000 kB\nSwapTotal:  204796 kB\n",
        "/sys/devices/system/cpu/present": "0-3\n",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
        "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1800000\n",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    }


def raspberry(
    model: str, revision: int, part: int, features: str, arch: str = "aarch64", ram_kb: int = 3884000
) -> dict[str, str | bytes]:
    return {
        **linux(arch, "3.13", "2.41", "Debian GNU/Linux 13 (trixie)", "trixie", ram_kb),
        "/proc/device-tree/model": model.encode() + b"\0",
        "/proc/device-tree/compatible": b"raspberrypi,board\0brcm,bcm2711\0",
        "/proc/device-tree/system/linux,revision": struct.pack(">I", revision),
        "/proc/cpuinfo": arm_cpuinfo(part, features, tail=f"Revision\t: {revision:x}\nModel\t\t: {model}\n"),
        "/sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "/sys/class/thermal/thermal_zone0/temp": "48312\n",
        "/sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        "/sys/class/video4linux/video0/name": "HD Webcam: HD Webcam\n",
        "/sys/class/video4linux/video0/index": "0\n",
        "/sys/class/video4linux/video0/device": "->../../../devices/platform/scb/usb1/1-1:1.0",
        "/sys/class/video4linux/video1/name": "HD Webcam: HD Webcam\n",
        "/sys/class/video4linux/video1/index": "1\n",
    }


def jetson(
    part: str,
    soc: str,
    l4t: str,
    core: int,
    python: str,
    *,
    implementer: int = 0x41,
    cores: int = 6,
    ram_kb: int = 7620000,
) -> dict[str, str | bytes]:
    release, _, rest = l4t.partition(".")
    return {
        **linux("aarch64", python, "2.35", "Ubuntu 22.04.5 LTS", "jammy", ram_kb),
        "/proc/device-tree/model": b"NVIDIA Jetson developer kit\0",
        "/proc/device-tree/compatible": f"nvidia,carrier+{part}\0nvidia,{soc}\0".encode(),
        "/proc/cpuinfo": arm_cpuinfo(core, A76 if core == 0xD42 else A53, cores, implementer),
        "/sys/devices/system/cpu/present": f"0-{cores - 1}\n",
        "/etc/nv_tegra_release": f"# R{release} (release), REVISION: {rest}, GCID: 1, BOARD: generic\n",
        "/sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "/sys/class/thermal/thermal_zone0/temp": "51000\n",
        "/sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
        "/sys/class/thermal/thermal_zone1/temp": "49500\n",
        "/sys/class/hwmon/hwmon1/name": "ina3221\n",
        "/sys/class/hwmon/hwmon1/curr1_max_alarm": "0\n",
        "/sys/class/hwmon/hwmon1/curr1_crit_alarm": "1\n",
    }


def intel(name: str, npu: str = "") -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {
        **linux("x86_64", "3.12", "2.39", "Ubuntu 24.04.2 LTS", "noble"),
        "/proc/cpuinfo": x86_cpuinfo(name, INTEL),
        "/sys/class/hwmon/hwmon3/name": "coretemp\n",
        "/sys/class/hwmon/hwmon3/temp1_input": "44000\n",
        "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "2\n",
        "/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "1\n",
        "/sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n",
        "/sys/bus/pci/devices/0000:00:02.0/device": "0x7d55\n",
    }
    if npu:
        device = "/sys/bus/pci/devices/0000:00:0b.0"
        files |= {
            f"{device}/vendor": "0x8086\n",
            f"{device}/device": f"0x{npu}\n",
            "/sys/class/accel/accel0/device/vendor": "0x8086\n",
            "/sys/class/accel/accel0/device/device": f"0x{npu}\n",
            "/sys/class/accel/accel0/device/driver": "->../../../bus/pci/drivers/intel_vpu",
            "/sys/class/accel/accel0/device/npu_busy_time_us": "123456\n",
            "/dev/accel/accel0": "",
        }
    return files


BOARDS: dict[str, dict[str, str | bytes]] = {
    "rpi-zero-2w": raspberry("Raspberry Pi Zero 2 W Rev 1.0", 0x902120, 0xD03, A53, ram_kb=427000),
    "rpi-3bp": raspberry("Raspberry Pi 3 Model B Plus Rev 1.3", 0xA020D3, 0xD03, A53, ram_kb=926000),
    "rpi-4b": raspberry("Raspberry Pi 4 Model B Rev 1.4", 0xC03114, 0xD08, A53),
    "rpi-5": raspberry("Raspberry Pi 5 Model B Rev 1.0", 0xC04170, 0xD0B, A76),
    "jetson-orin-nano": jetson("p3767-0005-super", "tegra234", "36.4.7", 0xD42, "3.10"),
    "jetson-agx-orin": jetson("p3701-0005", "tegra234", "39.2.0", 0xD42, "3.12", cores=12, ram_kb=31700000),
    "intel-mtl": intel("Intel(R) Core(TM) Ultra 7 155H", "7d1d"),
    "intel-arl": intel("Intel(R) Core(TM) Ultra 9 285K", "ad1d"),
    "intel-lnl": intel("Intel(R) Core(TM) Ultra 7 258V", "643e"),
    "intel-ptl": intel("Intel(R) Core(TM) Ultra X7 358H", "b03e"),
    "intel-wcl": intel("Intel(R) Core(TM) 5 330", "fd3e"),
    "intel-n100": intel("Intel(R) N100"),
    "generic-x86-64": intel("AMD Ryzen 7 7840U w/ Radeon 780M Graphics"),
    "generic-arm64": {
        **linux("aarch64", "3.11", "2.36", "Debian GNU/Linux 12 (bookworm)", "bookworm"),
        "/proc/device-tree/model": b"Radxa ROCK 5B\0",
        "/proc/cpuinfo": arm_cpuinfo(0xD0B, A76, 8),
    },
}
