"""Small disk images with the partition tables and FAT contents of real ones, made without root."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

CMDLINE = (
    "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes rootwait\n"
)
START = 8192 * 512
needs_mtools = pytest.mark.skipif(not shutil.which("mformat"), reason="needs mtools: apt install mtools")
FILES = {
    "trixie": {
        "cmdline.txt": CMDLINE,
        "config.txt": "arm_64bit=1\n",
        "user-data": "#cloud-config\n",
        "meta-data": "instance_id: rpios-image\n",
        "network-config": "\n",
    },
    "bookworm": {"cmdline.txt": CMDLINE, "config.txt": "arm_64bit=1\n"},
    "other": {"readme.txt": "nothing to start\n"},
}


def make(path: Path, kind: str = "bookworm", *, megabytes: int = 48, gpt: bool = False) -> Path:
    """An image with a FAT partition of that size (MB) and an empty second one."""
    size, second = megabytes << 20, 4 << 20
    with path.open("wb") as file:
        file.truncate(START + size + second + (1 << 20))
        file.write(_gpt(size) if gpt else _mbr(size, second))
    drive = f"{path}@@{START}"
    run(
        [
            "mformat",
            "-i",
            drive,
            "-F" if megabytes > 33 else "-c1",
            "-T",
            str(size // 512),
            "-N",
            "12345678",
            "-v",
            "bootfs",
            "-h",
            "16",
            "-s",
            "63",
            "::",
        ]
    )
    for name, text in FILES[kind].items():
        staged = path.with_name(name)
        staged.write_text(text)
        os.utime(staged, (1_700_000_000, 1_700_000_000))
        run(["mcopy", "-m", "-i", drive, str(staged), f"::/{name}"])
        staged.unlink()
    return path


def run(command: list[str]) -> str:
    environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1", "TZ": "UTC", "SOURCE_DATE_EPOCH": "1700000000"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def _mbr(size: int, second: int) -> bytes:
    entries = struct.pack("<B3sB3sII", 0, b"", 0x0C, b"", START // 512, size // 512)
    entries += struct.pack("<B3sB3sII", 0, b"", 0x83, b"", (START + size) // 512, second // 512)
    return bytes(440) + b"\x91\x90\x63\x4e\0\0" + entries + bytes(32) + b"\x55\xaa"


def _gpt(size: int) -> bytes:
    protective = (
        bytes(446) + struct.pack("<B3sB3sII", 0, b"", 0xEE, b"", 1, 0xFFFFFFFF) + bytes(48) + b"\x55\xaa"
    )
    header = b"EFI PART".ljust(72, b"\0") + struct.pack("<QII", 2, 128, 128)
    kind = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")
    entry = kind + bytes(16) + struct.pack("<QQ", START // 512, (START + size) // 512 - 1)
    return protective + header.ljust(512, b"\0") + entry.ljust(128, b"\0") + bytes(127 * 128)
