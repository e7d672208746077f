"""``flash``: a stock system image in, an image that installs ferlite at its first start out.

The payload goes onto the image's FAT partition, with a first-start script in the form that the image
understands. The stock image is never changed: the work is done on a copy, which gets its name when it is
whole.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from boards.errors import BoardsError, ImageInvalid, UsageError
from boards.fat_image import Fat
from boards.payload import Payload
from boards.profile import Image, Profile
from boards.progress import say

Form = Literal["cloud-init", "firstrun"]
FOLDER = "ferlite"
SCRIPT = f"{FOLDER}/first-start.sh"
HOOK = "install-into.sh"
_RUN = "systemd.run="
_SPARE_BYTES = 4 << 20

# Runs once, from the FAT partition wherever the system mounts it. It always ends well, having taken its own
# hook away: a payload that does not install must not keep the board from starting.
_FIRST_START = """\
#!/bin/sh
# ferlite's first start: install the payload that lies beside this file, and say how it went.
for boot in /boot/firmware /boot /boot/efi; do
    if [ -f "$boot/ferlite/manifest.json" ]; then break; fi
done
here="$boot/ferlite"
if python3 -I "$here/install.py" install --manifest "$here/manifest.json" --store "$here" @ARGS@ \\
    >"$here/result.json" 2>"$here/first-start.log"; then
    echo "ferlite: installed"
else
    echo "ferlite: not installed; see first-start.log on the boot partition" >&2
fi
@AFTER@
sync
exit 0
"""
_REMOVE_HOOK = (
    r"""sed -i 's| systemd\.run=[^ ]*ferlite/first-start\.sh systemd\.run_success_action=reboot"""
    r""" systemd\.unit=kernel-command-line\.target||' "$boot/cmdline.txt" """
)


@dataclass(frozen=True)
class Change:
    """One file that flash writes onto the FAT partition; ``before`` is its content until now."""

    name: str
    content: bytes | Path
    why: str
    before: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes that the file will have."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)

    def describe(self) -> str:
        """The change in one line (and the old and new text where a file of the image is changed)."""
        mark = "change" if self.before is not None else "add"
        text = f"{mark} {self.name} ({self.size} bytes): {self.why}"
        if self.before is not None and isinstance(self.content, bytes):
            text += f"\n  - {self.before.decode(errors='replace').strip()}"
            text += f"\n  + {self.content.decode(errors='replace').strip()}"
        return text


@dataclass(frozen=True)
class Stock:
    """A stock image, looked at once: its FAT partition, and how it is told what to do at its first start.

    ``cmdline`` is how the image writes cmdline.txt's name; "" where it starts with cloud-init.
    """

    image: Path
    fat: Fat
    form: Form
    cmdline: str = ""


def examine(image: Path) -> Stock:
    """Look at a stock image. Raises ImageInvalid, ToolMissing."""
    fat = Fat.of(image)
    names = {name.lower(): name for name in fat.names()}
    if "user-data" in names or "meta-data" in names:
        return Stock(image, fat, "cloud-init")
    if "cmdline.txt" in names:
        return Stock(image, fat, "firstrun", names["cmdline.txt"])
    raise ImageInvalid(
        f"image '{image}': its FAT partition has neither cloud-init's user-data nor a cmdline.txt, so "
        "nothing there runs at the first start: use a Raspberry Pi OS image, or a .deb (ferlite boards deb)"
    )


def system_of(profile: Profile, form: Form, name: str = "") -> Image:
    """The profile's system image that starts this way, or the one the user names. Raises UsageError."""
    if name:
        return profile.image_named(name)
    fits = [image for image in profile.image if image.first_boot == form]
    if not fits:
        raise UsageError(f"{profile.id} has no image that starts with {form}: name one with --system")
    return fits[0]


def changes(stock: Stock, payload: Payload) -> list[Change]:
    """Everything that flash would write to this image. Raises ImageInvalid."""
    found = [Change(f"{FOLDER}/{name}", path, why) for name, path, why in _carried(payload)]
    found += _cloud_init(stock) if stock.form == "cloud-init" else _firstrun(stock)
    _check_room(stock, found)
    return found


def _carried(payload: Payload) -> Iterator[tuple[str, Path, str]]:
    """A payload's files: the name to carry each under, and what it is."""
    inside = {entry["sha256"]: entry["path"] for entry in payload.manifest["files"]}
    for name, path in payload.files.items():
        yield name, path, inside.get(name, "to install the payload")


def _cloud_init(stock: Stock) -> list[Change]:
    script = _FIRST_START.replace("@ARGS@", "").replace("@AFTER@", ":")
    before = stock.fat.read("vendor-data")
    if before is not None and before.strip() and b"ferlite's first start" not in before:
        raise ImageInvalid(f"image '{stock.image}' has a vendor-data of its own, which flash would replace")
    # Vendor data leaves user-data to the user: Raspberry Pi Imager's settings stay as they are.
    return [Change("vendor-data", script.encode(), "run the installer at the first start", before)]


def _firstrun(stock: Stock) -> list[Change]:
    hook = _REMOVE_HOOK.strip().replace("cmdline.txt", stock.cmdline)
    script = _FIRST_START.replace("@ARGS@", "--no-start").replace("@AFTER@", hook)
    before = stock.fat.read(stock.cmdline) or b""
    return [
        Change(SCRIPT, script.encode(), "run the installer at the first start"),
        Change(stock.cmdline, _with_hook(stock.image, before), "start that script once", before),
    ]


def _with_hook(image: Path, cmdline: bytes) -> bytes:
    text = cmdline.decode("utf-8", errors="replace").rstrip()
    if _RUN in text and "ferlite/first-start.sh" not in text:
        raise ImageInvalid(
            f"image '{image}' already has a first-start script ({_RUN} in its cmdline.txt): "
            "flash a fresh image, and set Wi-Fi and user there in another way"
        )
    if "\n" in text or "root=" not in text:
        raise ImageInvalid(f"image '{image}': its cmdline.txt is not one line with root= in it")
    text = re.sub(r" systemd\.run=\S*ferlite/first-start\.sh.*$", "", text)
    hook = (
        f"{_RUN}/boot/firmware/{SCRIPT} systemd.run_success_action=reboot "
        "systemd.unit=kernel-command-line.target"
    )
    return f"{text} {hook}\n".encode()


def _check_room(stock: Stock, found: list[Change]) -> None:
    free, needed = stock.fat.free_bytes(), sum(change.size for change in found) + _SPARE_BYTES
    if free < needed:
        raise ImageInvalid(
            f"image '{stock.image}': its FAT partition has {free >> 20} MB free and the payload needs "
            f"{needed >> 20} MB"
        )


def flash(stock: Stock, out: Path, payload: Payload) -> list[Change]:
    """Write the changed copy of ``stock`` to ``out``. Raises ImageInvalid; ``out`` is whole or not there."""
    if out.is_block_device():
        raise UsageError("--out is a file; a card is named with --card")
    if out.exists():
        raise ImageInvalid(f"'{out}' is already there: remove it, or give another name with --out")
    planned = changes(stock, payload)
    part = out.with_name(f".{out.name}.part")
    say(f"copying {stock.image.name}")
    try:
        copy_sparse(stock.image, part)
        fat = stock.fat.on(part)
        say(f"writing {len(planned)} files to its FAT partition")
        fat.write({change.name: change.content for change in planned}, [FOLDER])
        for change in planned:
            wanted = change.content.read_bytes() if isinstance(change.content, Path) else change.content
            if fat.read(change.name) != wanted:
                raise ImageInvalid(f"'{change.name}' does not read back from '{out}' as it was written")
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as error:
        if isinstance(error, BoardsError):
            raise
        raise ImageInvalid(f"cannot write '{out}': {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return planned


def copy_sparse(source: Path, target: Path) -> None:
    """Copy, leaving holes where the image holds only zeros: stock images are mostly empty."""
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(1 << 20):
            if chunk.strip(b"\0"):
                writer.write(chunk)
            else:
                writer.seek(len(chunk), os.SEEK_CUR)
        writer.truncate(source.stat().st_size)


def sha256(path: Path) -> str:
    """Digest of a file of any size."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def hook_changes(payload: Payload) -> list[Change]:
    """Every file of the folder that ``rootfs_hook`` makes."""
    found = [Change(f"payload/{name}", path, why) for name, path, why in _carried(payload)]
    found.append(Change("ferlite-first-start.service", _HOOK_UNIT.encode(), "install it at the first start"))
    found.append(Change(HOOK, _HOOK_SCRIPT.encode(), "put all of this into a root file system"))
    return found


def rootfs_hook(folder: Path, payload: Payload) -> list[Change]:
    """A folder with the payload and a script that puts it into a root file system before it is flashed.

    For boards whose maker owns flashing (Jetson): run ``install-into.sh ROOTFS`` before the maker's tool.
    Raises ImageInvalid; ``folder`` is whole or not there.
    """
    if folder.exists():
        raise ImageInvalid(f"'{folder}' is already there: remove it, or give another name with --out")
    part, planned = folder.with_name(f".{folder.name}.part"), hook_changes(payload)
    try:
        shutil.rmtree(part, ignore_errors=True)
        (part / "payload").mkdir(parents=True)
        for change in planned:
            if isinstance(change.content, Path):
                shutil.copyfile(change.content, part / change.name)
            else:
                (part / change.name).write_bytes(change.content)
        (part / HOOK).chmod(0o755)
        part.replace(folder)
    except OSError as error:
        raise ImageInvalid(f"cannot write '{folder}': {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return planned


_STORE = "/usr/lib/ferlite/payload"
_HOOK_UNIT = f"""\
[Unit]
Description=Install ferlite at the first start
ConditionPathExists=!/opt/ferlite/current
After=local-fs.target

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {_STORE}/install.py install --manifest {_STORE}/manifest.json --store {_STORE}

[Install]
WantedBy=multi-user.target
"""
_HOOK_SCRIPT = f"""\
#!/bin/sh
# Puts ferlite's payload into a root file system: ./install-into.sh ROOTFS (as root, before flashing).
set -eu
rootfs="${{1:?give the folder of the root file system}}"
if [ ! -d "$rootfs/etc/systemd/system" ]; then
    echo "'$rootfs' is no root file system with systemd" >&2
    exit 1
fi
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$rootfs{_STORE}" "$rootfs/etc/systemd/system/multi-user.target.wants"
cp -a "$here/payload/." "$rootfs{_STORE}/"
cp "$here/ferlite-first-start.service" "$rootfs/etc/systemd/system/"
ln -sf ../ferlite-first-start.service \\
    "$rootfs/etc/systemd/system/multi-user.target.wants/ferlite-first-start.service"
echo "ferlite will install itself when this system starts for the first time"
"""
