"""An initial RAM disk for a Debian kernel in QEMU: its disk's drivers, busybox, and a script that finds root.

update-initramfs would have to run on the emulated processor; this is put together here.
"""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Iterator
from pathlib import Path

WANTED = ("virtio_pci", "virtio_blk", "virtio-rng", "vfat", "nls_cp437", "nls_ascii", "nls_utf8", "autofs4")
_INIT = """\
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs none /dev && $b mount -t proc none /proc && $b mount -t sysfs none /sys
for module in @MODULES@; do $b insmod "/$module"; done
for word in $($b cat /proc/cmdline); do
    case "$word" in root=PARTUUID=*) number="${word##*-0}" ;; esac
done
while [ ! -b "/dev/vda$number" ]; do $b sleep 0.2; done
$b mount -t ext4 "/dev/vda$number" /root
$b mount --move /dev /root/dev
$b umount /proc /sys
exec $b switch_root /root /sbin/init
"""


def make(root: Path) -> bytes:
    """The RAM disk (a compressed newc archive) for the kernel whose modules are in ``root``."""
    found = {_name(path): path for path in (root / "lib/modules").rglob("*.ko*")}
    contents = {name: _content(found[name]) for name in _in_order(found)}
    script = _INIT.replace("@MODULES@", " ".join(f"{name}.ko" for name in contents))
    files = {f"{name}.ko": (0o100644, content) for name, content in contents.items()}
    files |= dict.fromkeys(("bin", "dev", "proc", "root", "sys"), (0o040755, b""))
    files["bin/busybox"] = (0o100755, (root / "bin/busybox").read_bytes())
    files["init"] = (0o100755, script.encode())
    entries = [_entry(name, mode, content) for name, (mode, content) in sorted(files.items())]
    return gzip.compress(b"".join([*entries, _entry("TRAILER!!!", 0, b"")]), 6, mtime=0)


def _in_order(found: dict[str, Path]) -> list[str]:
    """The wanted modules that are no part of the kernel itself, each after those it depends on."""
    order: list[str] = []

    def visit(name: str) -> None:
        for other in _depends(_content(found[name])):
            visit(other)
        if name not in order:
            order.append(name)

    for name in WANTED:
        if name.replace("-", "_") in found:
            visit(name.replace("-", "_"))
    return order


def _depends(module: bytes) -> Iterator[str]:
    """Names that a module's .modinfo section gives after ``depends=``."""
    match = re.search(rb"\0depends=([\w,-]*)\0", module)
    yield from (name.replace("-", "_") for name in (match[1].decode() if match else "").split(",") if name)


def _name(path: Path) -> str:
    return path.name.split(".")[0].replace("-", "_")


def _content(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def _entry(name: str, mode: int, content: bytes) -> bytes:
    """One file in cpio's newc format: 13 numbers in hex, the name and the content, both padded to 4 bytes."""
    numbers = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + "".join(f"{number:08x}" for number in numbers).encode() + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
