"""Disk images: find the FAT partition of an image file, and read and write it with mtools, without root.

Nothing is mounted. Times come from the content, not from the clock, so the same input gives the same bytes.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boards import child
from boards.errors import ImageInvalid, ToolMissing

SECTOR = 512
# The FAT's own calendar begins in 1980; any fixed moment serves.
EPOCH = 315532800
_EXTENDED = {0x00, 0x05, 0x0F, 0x85}
_COMPRESSED = {
    b"\xfd7zXZ": "xz --decompress --keep",
    b"\x1f\x8b": "gunzip --keep",
    b"PK\x03\x04": "unzip",
    b"(\xb5/\xfd": "zstd --decompress",
    b"BZh": "bunzip2 --keep",
}


@dataclass(frozen=True)
class Partition:
    """Where a partition lies in its image, in bytes."""

    start: int
    size: int
    number: int


def fat_partition(image: Path) -> Partition:
    """The first FAT partition of an image file. Raises ImageInvalid."""
    try:
        total = image.stat().st_size
        with image.open("rb") as file:
            head = file.read(64 * SECTOR)
            _refuse_odd(image, head, total)
            parts = _gpt(head) if head[450:451] == b"\xee" else _mbr(head)
            for part in parts:
                end = part.start + part.size
                if end > total:
                    raise ImageInvalid(
                        f"image '{image}' is truncated: partition {part.number} ends at {end} "
                        f"and the file at {total}: download or unpack it again"
                    )
            for part in parts:
                file.seek(part.start)
                if _is_fat(file.read(SECTOR)):
                    return part
    except OSError as error:
        raise ImageInvalid(f"cannot read image '{image}': {error.strerror}") from error
    raise ImageInvalid(
        f"image '{image}' has no FAT partition among its {len(parts)}: it is no Raspberry Pi OS image"
    )


def _refuse_odd(image: Path, head: bytes, total: int) -> None:
    for magic, command in _COMPRESSED.items():
        if head.startswith(magic):
            raise ImageInvalid(f"image '{image}' is compressed: unpack it first with {command} {image.name}")
    if total < 64 * SECTOR or head[510:512] != b"\x55\xaa":
        raise ImageInvalid(f"'{image}' is no disk image: it has no partition table")


def _mbr(head: bytes) -> list[Partition]:
    found = []
    for number in range(4):
        entry = head[446 + 16 * number : 462 + 16 * number]
        start, sectors = struct.unpack("<II", entry[8:16])
        if entry[4] not in _EXTENDED and start and sectors:
            found.append(Partition(start * SECTOR, sectors * SECTOR, number + 1))
    return found


def _gpt(head: bytes) -> list[Partition]:
    header = head[SECTOR : 2 * SECTOR]
    if header[:8] != b"EFI PART":
        return []
    where, count, size = struct.unpack("<QII", header[72:88])
    found = []
    for number in range(min(count, 128)):
        entry = head[where * SECTOR + number * size :][:size]
        if len(entry) < 48 or not entry[:16].strip(b"\0"):
            continue
        first, last = struct.unpack("<QQ", entry[32:48])
        if 0 < first <= last:
            found.append(Partition(first * SECTOR, (last - first + 1) * SECTOR, number + 1))
    return found


def _is_fat(boot: bytes) -> bool:
    return (
        len(boot) == SECTOR
        and boot[510:512] == b"\x55\xaa"
        and (boot[82:87] == b"FAT32" or boot[54:57] == b"FAT")
    )


class Fat:
    """The FAT partition of an image, reached through mtools."""

    def __init__(self, image: Path, partition: Partition) -> None:
        if not shutil.which("mcopy"):
            raise ToolMissing("writing to an image needs mtools: sudo apt install mtools")
        self.image, self._partition = image, partition
        self._drive = f"{image}@@{partition.start}"

    @classmethod
    def of(cls, image: Path) -> Fat:
        """The first FAT partition of an image file. Raises ImageInvalid, ToolMissing."""
        return cls(image, fat_partition(image))

    def on(self, copy: Path) -> Fat:
        """The same partition on a copy of the image."""
        return Fat(copy, self._partition)

    def names(self, folder: str = "") -> list[str]:
        """Names in a folder of the partition."""
        done = self._run(["mdir", "-b", "-i", self._drive, f"::/{folder}"])
        lines = [line.removeprefix("::/").rstrip("/") for line in done.stdout.splitlines()]
        return sorted(line.rsplit("/", 1)[-1] for line in lines if line)

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "file"
            self._run(["mcopy", "-n", "-i", self._drive, f"::/{name}", str(copy)], check=False)
            return copy.read_bytes() if copy.is_file() else None

    def free_bytes(self) -> int:
        """Room that is left."""
        done = self._run(["mdir", "-i", self._drive, "::/"])
        found = re.search(r"([\d ]+) bytes free", done.stdout)
        if not found:
            raise ImageInvalid(f"the FAT partition of '{self.image}' cannot be read: {done.stdout[-80:]!r}")
        return int(found[1].replace(" ", ""))

    def write(self, files: Mapping[str, bytes | Path], folders: Sequence[str]) -> None:
        """Write files, replacing those that are there, and make the folders first."""
        there = self.names()
        for folder in folders:
            if folder.lower() not in {one.lower() for one in there}:
                self._run(["mmd", "-i", self._drive, f"::/{folder}"])
        with tempfile.TemporaryDirectory() as place:
            for name, content in files.items():
                staged = Path(place) / name.rsplit("/", 1)[-1]
                if isinstance(content, bytes):
                    staged.write_bytes(content)
                else:
                    shutil.copyfile(content, staged)
                os.utime(staged, (EPOCH, EPOCH))
                self._run(["mcopy", "-o", "-m", "-i", self._drive, str(staged), f"::/{name}"])
                staged.unlink()

    def _run(self, command: Sequence[str], check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "MTOOLS_SKIP_CHECK": "1",
            "MTOOLSRC": "/dev/null",
            "SOURCE_DATE_EPOCH": str(EPOCH),
            "MTOOLS_LOWER_CASE": "0",
        }
        done = child.run(command, env=environment)
        if check and done.returncode:
            said = child.last_line(done.stderr) or f"{command[0]} failed"
            reason = "it is full" if "Disk full" in done.stderr else said
            raise ImageInvalid(f"the FAT partition of '{self.image}': {reason}")
        return done
