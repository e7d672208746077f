"""Writing an image to a card: only one that was named by its stable id, is removable and is not in use.

Every question is asked of the kernel's own files through a tree, so that each refusal can be tried on a
reconstructed machine; the writing itself is plain and is verified by reading back.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from boards.errors import DeviceRefused
from boards.root_tree import Tree
from edge.commands.progress import Progress

STABLE = "/dev/disk/by-id"
_CHUNK = 4 << 20
_SYSTEM_MOUNTS = ("/", "/boot", "/boot/efi", "/boot/firmware", "/home", "/usr", "/var", "/opt", "[SWAP]")


@dataclass(frozen=True)
class Card:
    """A device that may be written to."""

    id: str
    kernel_name: str
    size: int
    model: str


def examine(name: str, image_size: int, root: str | Path = "/") -> Card:
    """Check that this device may be overwritten. Raises DeviceRefused with the reason."""
    tree = Tree(root)
    kernel = _kernel_name(tree, name)
    if tree.exists(f"/sys/class/block/{kernel}/partition"):
        raise DeviceRefused(f"'{name}' is a partition: name the whole card")
    if not tree.exists(f"/sys/block/{kernel}"):
        raise DeviceRefused(f"'{name}' is no disk that the kernel knows ({kernel})")
    _refuse_in_use(tree, name, kernel)
    if not _is_removable(tree, kernel):
        raise DeviceRefused(
            f"'{name}' ({kernel}) is built in, not a removable card or stick: it is left alone"
        )
    if tree.whole(f"/sys/block/{kernel}/ro") == 1:
        raise DeviceRefused(f"'{name}' is write-protected: look at the switch on the card")
    sectors = tree.whole(f"/sys/block/{kernel}/size") or 0
    if sectors <= 0:
        raise DeviceRefused(f"'{name}' holds no card")
    if sectors * 512 < image_size:
        raise DeviceRefused(
            f"'{name}' has {sectors * 512 >> 20} MB and the image needs {image_size >> 20} MB"
        )
    model = tree.text(f"/sys/block/{kernel}/device/model") or tree.text(f"/sys/block/{kernel}/device/name")
    return Card(name, kernel, sectors * 512, model or "unnamed")


def _kernel_name(tree: Tree, name: str) -> str:
    path = PurePosixPath(name)
    if str(path.parent) != STABLE:
        known = [one for one in tree.names(STABLE) if "-part" not in one]
        raise DeviceRefused(
            f"'{name}' may be another disk after the next start: name the card by its stable id, "
            f"one of {', '.join(known) or 'none is plugged in'}"
        )
    target = tree.link(name)
    if target is None:
        raise DeviceRefused(f"there is no '{name}': is the card plugged in?")
    return target.rsplit("/", 1)[-1]


def _refuse_in_use(tree: Tree, name: str, kernel: str) -> None:
    parts = [kernel, *(one.rsplit("/", 1)[-1] for one in tree.names(f"/sys/block/{kernel}", f"{kernel}*"))]
    table = tree.raw("/proc/self/mountinfo", 4 << 20)
    if table is None:
        raise DeviceRefused(
            "cannot read /proc/self/mountinfo, so nobody knows what is in use: nothing is written"
        )
    # A mount is told by its device number, since its name can be another (/dev/root); and by its name,
    # since some file systems (btrfs) have a number of their own.
    numbers = {tree.text(f"/sys/class/block/{part}/dev") for part in parts} - {None}
    used = [
        (words[2], words[words.index("-") + 2], words[4])
        for words in map(str.split, table.decode(errors="replace").splitlines())
        if "-" in words and len(words) > words.index("-") + 2
    ]
    swaps = (tree.text("/proc/swaps") or "").splitlines()[1:]
    used += [("", line.split()[0], "[SWAP]") for line in swaps if line.strip()]
    for number, source, place in used:
        if number in numbers or source.removeprefix("/dev/") in parts or tree.link_name(source) in parts:
            kind = "a system disk" if place in _SYSTEM_MOUNTS else "mounted"
            raise DeviceRefused(f"'{name}' is {kind}: {source} is in use at {place}")
    for part in parts:
        held = tree.names(f"/sys/class/block/{part}/holders")
        if held:
            raise DeviceRefused(f"'{name}' is in use: {part} is part of {held[0].rsplit('/', 1)[-1]}")


def _is_removable(tree: Tree, kernel: str) -> bool:
    """The kernel's own flag, or a card slot; a USB disk without the flag may be a system's and stays out."""
    if tree.whole(f"/sys/block/{kernel}/removable") == 1:
        return True
    # eMMC chips and SD cards share a driver; their type tells them apart.
    return bool(re.fullmatch(r"mmcblk\d+", kernel)) and tree.text(f"/sys/block/{kernel}/device/type") == "SD"


def write(image: Path, card: Card, root: str | Path = "/") -> str:
    """Write ``image`` onto the card, read it back, and return its sha256. Raises DeviceRefused.

    The card is examined again just before, and opened so that the kernel refuses it if it came into use.
    """
    tree = Tree(root)
    examine(card.id, image.stat().st_size, root)
    device = tree.path(f"/dev/{card.kernel_name}")
    try:
        handle = os.open(device, os.O_RDWR | os.O_EXCL | os.O_SYNC if tree.is_live else os.O_RDWR)
    except OSError as error:
        raise DeviceRefused(f"cannot open '{card.id}' for writing: {error.strerror}") from error
    try:
        if tree.is_live and not stat.S_ISBLK(os.fstat(handle).st_mode):
            raise DeviceRefused(f"'{card.id}' is no block device")
        written = _copy(image, handle)
        os.fsync(handle)
        if tree.is_live:
            # What is read back must come from the card, not from memory.
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        if _digest(handle, image.stat().st_size) != written:
            raise DeviceRefused(
                f"'{card.id}' does not read back as it was written: the card is worn out or fake"
            )
    except OSError as error:
        if isinstance(error, DeviceRefused):
            raise
        raise DeviceRefused(
            f"writing to '{card.id}' failed: {error.strerror}; the card is incomplete"
        ) from error
    finally:
        os.close(handle)
    return written


def _copy(image: Path, handle: int) -> str:
    digest, size = hashlib.sha256(), image.stat().st_size
    os.lseek(handle, 0, os.SEEK_SET)
    with image.open("rb") as file, Progress("writing", size, "bytes") as progress:
        while chunk := file.read(_CHUNK):
            view = memoryview(chunk)
            while view:
                view = view[os.write(handle, view) :]
            digest.update(chunk)
            progress.advance(len(chunk))
    return digest.hexdigest()


def _digest(handle: int, size: int) -> str:
    digest, left = hashlib.sha256(), size
    os.lseek(handle, 0, os.SEEK_SET)
    with Progress("reading back", size, "bytes") as progress:
        while left and (chunk := os.read(handle, min(_CHUNK, left))):
            digest.update(chunk)
            progress.advance(len(chunk))
            left -= len(chunk)
    return digest.hexdigest()
