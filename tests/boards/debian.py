"""A Debian arm64 system on a disk image, in the form of a Raspberry Pi OS card, made without root.

No image of Raspberry Pi OS can be part of a test. This one is made of Debian's own packages and has what
flash relies on: a FAT partition mounted at /boot/firmware that holds ``cmdline.txt``, kernel and RAM disk, a
root partition named in ``cmdline.txt``, and for the form "trixie" cloud-init with the two settings that
Raspberry Pi OS gives it. Its kernel is Debian's, which can drive QEMU's disk.

The packages are unpacked and never configured: their scripts would have to run on an emulated processor.
What systemd needs of them (users, a machine id, compiled Python modules) is written here.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.boards import images, ramdisk

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "udev",
    "mount",
    "util-linux",
    "login",
    "procps",
    "base-passwd",
    "dash",
    "bash",
    "coreutils",
    "sed",
    "grep",
    "python3",
    "libstdc++6",
    "busybox-static",
    "linux-image-cloud-arm64",
)
OF_FORM = {"trixie": ("cloud-init",), "bookworm": ()}
FAT_MB, ROOT_MB = 320, 1536
# The settings of Raspberry Pi OS: /etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg and the card's meta-data.
_CLOUD = "datasource_list: [ NoCloud, None ]\ndatasource:\n  NoCloud:\n    seedfrom: file:///boot/firmware\n"
_META = "dsmode: local\ninstance_id: rpios-image\n"
_FSTAB = "PARTUUID=4e639091-01 /boot/firmware vfat defaults 0 0\nPARTUUID=4e639091-02 / ext4 defaults 0 1\n"
_CMDLINE = "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 rootwait quiet\n"
# What the packages' own scripts would have done; then a file system of the whole.
_SETUP = f"""\
mkdir root && tar -xf root.tar -C root --numeric-owner --exclude='./dev/*' && rm root.tar
for name in passwd group; do cp root/usr/share/base-passwd/$name.master root/etc/$name; done
echo 0123456789abcdef0123456789abcdef > root/etc/machine-id
echo raspberrypi > root/etc/hostname
printf '%s' "$FSTAB" > root/etc/fstab
mkdir -p root/boot/firmware
if [ -d root/etc/cloud ]; then
    printf '%s' "$CLOUD" > root/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg
    cat root/usr/share/ca-certificates/mozilla/*.crt > root/etc/ssl/certs/ca-certificates.crt
    ln -s nc.openbsd root/usr/bin/nc
    units=$(cd root/usr/lib/systemd/system && ls cloud-*.service)
    SYSTEMCTL_SKIP_SYSV=1 systemctl --quiet --root=root enable $units
fi
rm -rf root/usr/share/doc root/usr/share/man root/usr/share/locale root/var/cache/apt root/var/lib/apt/lists
"$PYTHON" -m tests.boards.debian root
cp root/boot/vmlinuz-* vmlinuz && rm root/boot/*-arm64
mke2fs -q -t ext4 -d root root.ext4 {ROOT_MB}M && rm -rf root
"""


def need_tools() -> None:
    """Skip where a program is missing."""
    for program in ("mmdebstrap", "mke2fs", "mformat", "qemu-system-aarch64"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            pytest.skip(f"needs {program}: apt install mmdebstrap e2fsprogs mtools qemu-system-arm")


def make(form: str, cache: Path, files: Mapping[str, bytes]) -> Path:
    """A card image of that form with ``files`` on its FAT partition; what does not change is cached."""
    system = _system(form, cache)
    path = Path(tempfile.mkdtemp(prefix=f"{form}-", dir=cache)) / "stock.img"
    start, fat_size = images.START, FAT_MB << 20
    with path.open("wb") as image, (system / "root.ext4").open("rb") as root:
        image.truncate(start + fat_size + (ROOT_MB << 20))
        image.write(images._mbr(fat_size, ROOT_MB << 20))
        image.seek(start + fat_size)
        while chunk := root.read(1 << 20):
            if chunk.strip(b"\0"):
                image.write(chunk)
            else:
                image.seek(len(chunk), os.SEEK_CUR)
    drive = f"{path}@@{start}"
    images.run(
        [
            "mformat",
            "-i",
            drive,
            "-F",
            "-T",
            str(fat_size // 512),
            "-v",
            "bootfs",
            "-h",
            "16",
            "-s",
            "63",
            "::",
        ]
    )
    texts = {"cmdline.txt": _CMDLINE.encode(), **files}
    if form == "trixie":
        texts |= {"meta-data": _META.encode(), "user-data": b"#cloud-config\n", "network-config": b"\n"}
    for name in ("vmlinuz", "initrd.img"):
        images.run(["mcopy", "-i", drive, str(system / name), f"::/{name}"])
    for name, content in texts.items():
        (path.parent / name).write_bytes(content)
        images.run(["mcopy", "-i", drive, str(path.parent / name), f"::/{name}"])
    return path


def _system(form: str, cache: Path) -> Path:
    """Debian of that release: a folder with root.ext4, vmlinuz and initrd.img."""
    packages = ",".join([*PACKAGES, *OF_FORM[form]])
    digest = hashlib.sha256(f"{packages}{_FSTAB}{_CLOUD}{_SETUP}".encode()).hexdigest()[:12]
    done = cache / f"{form}-{digest}"
    if done.is_dir():
        return done
    cache.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{form}-", dir=cache))
    try:
        mode = "root" if os.geteuid() == 0 else "unshare"
        subprocess.run(
            [
                "mmdebstrap",
                f"--mode={mode}",
                "--variant=extract",
                "--architectures=arm64",
                f"--include={packages}",
                form,
                str(part / "root.tar"),
            ],
            check=True,
        )
        # fakeroot keeps the owners for somebody who is not root; mke2fs reads them through it.
        command = [*([] if os.geteuid() == 0 else ["fakeroot"]), "sh", "-euc", _SETUP]
        environment = {
            **os.environ,
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "FSTAB": _FSTAB,
            "CLOUD": _CLOUD,
            "PYTHON": sys.executable,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        subprocess.run(command, check=True, cwd=part, env=environment)
        part.rename(done)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return done


def _finish(root: Path) -> None:
    """The RAM disk beside ``root``, and its Python's modules compiled if this Python can do it."""
    (root.parent / "initrd.img").write_bytes(ramdisk.make(root))
    library = root / f"usr/lib/python{sys.version_info[0]}.{sys.version_info[1]}"
    if library.is_dir():
        compileall.compile_dir(library, quiet=1, stripdir=str(root), prependdir="/")


if __name__ == "__main__":
    _finish(Path(sys.argv[1]))
