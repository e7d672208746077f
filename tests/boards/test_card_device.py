"""Which devices may be written to: reconstructed machines, and a plain file in the card's place."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from boards import card_device
from boards.errors import DeviceRefused
from tests.boards import trees

CARD = "/dev/disk/by-id/usb-Generic_STORAGE_DEVICE-0:0"
DISK = "/dev/disk/by-id/nvme-Samsung_SSD_1234"
ROOT_MOUNT = "25 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
SIZE = 1 << 20


def machine(root: Path, **changes: str | bytes) -> Path:
    """A PC with an NVMe system disk and a card reader with a card of 8 MB (sdb)."""
    files: dict[str, str | bytes] = {
        CARD: "->../../sdb",
        CARD + "-part1": "->../../sdb1",
        DISK: "->../../nvme0n1",
        "/dev/disk/by-uuid/1234-ABCD": "->../../sdb1",
        "/dev/sdb": bytes(8 << 20),
        "/sys/block/sdb/removable": "1\n",
        "/sys/block/sdb/ro": "0\n",
        "/sys/block/sdb/size": f"{(8 << 20) // 512}\n",
        "/sys/block/sdb/device/model": "STORAGE DEVICE  \n",
        "/sys/block/sdb/sdb1/partition": "1\n",
        "/sys/class/block/sdb/dev": "8:16\n",
        "/sys/class/block/sdb1/dev": "8:17\n",
        "/sys/class/block/sdb1/partition": "1\n",
        "/sys/block/nvme0n1/removable": "0\n",
        "/sys/block/nvme0n1/size": "1000215216\n",
        "/sys/block/nvme0n1/nvme0n1p2/partition": "2\n",
        "/sys/class/block/nvme0n1/dev": "259:0\n",
        "/sys/class/block/nvme0n1p2/dev": "259:2\n",
        "/proc/self/mountinfo": ROOT_MOUNT,
        "/proc/swaps": "Filename Type Size Used Priority\n",
    }
    files.update({name.replace("__", "/"): content for name, content in changes.items()})
    return trees.write(root, {name: content for name, content in files.items() if content != "gone"})


def test_a_card_in_a_reader(tmp_path: Path) -> None:
    card = card_device.examine(CARD, SIZE, machine(tmp_path))
    assert card == card_device.Card(CARD, "sdb", 8 << 20, "STORAGE DEVICE")


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("/dev/sdb", {}, "may be another disk after the next start: name the card by its stable id, one of "),
        ("sdb", {}, "name the card by its stable id"),
        ("/dev/disk/by-id/../../sdb", {}, "name the card by its stable id"),
        ("/dev/disk/by-id/usb-none", {}, "is the card plugged in?"),
        (CARD + "-part1", {}, "is a partition: name the whole card"),
        (DISK, {}, "is a system disk: /dev/nvme0n1p2 is in use at /"),
        (DISK, {"/proc/self/mountinfo": ""}, "is built in, not a removable card"),
        (CARD, {"/sys/block/sdb/removable": "0\n"}, "is built in, not a removable card"),
        (CARD, {"/sys/block/sdb/removable": "gone"}, "is built in, not a removable card"),
        (CARD, {"/sys/block/sdb/removable": "garbage"}, "is built in, not a removable card"),
        (CARD, {"/sys/block/sdb/ro": "1\n"}, "is write-protected"),
        (CARD, {"/sys/block/sdb/size": "0\n"}, "holds no card"),
        (CARD, {"/sys/block/sdb/size": "-1\n"}, "holds no card"),
        (CARD, {"/sys/block/sdb/size": "100\n"}, "has 0 MB and the image needs 1 MB"),
        (CARD, {"/proc/self/mountinfo": "gone"}, "cannot read /proc/self/mountinfo"),
        (
            CARD,
            {"/proc/self/mountinfo": ROOT_MOUNT + "30 25 8:17 / /media/x rw - vfat /dev/sdb1 rw\n"},
            "is mounted: /dev/sdb1 is in use at /media/x",
        ),
        (
            CARD,
            {"/proc/self/mountinfo": "25 1 8:17 / / rw - ext4 /dev/root rw\n"},
            "is a system disk: /dev/root is in use at /",
        ),
        (
            CARD,
            {"/proc/self/mountinfo": "30 25 0:45 / /home rw - btrfs /dev/sdb1 rw\n"},
            "is a system disk: /dev/sdb1 is in use at /home",
        ),
        (
            CARD,
            {"/proc/self/mountinfo": "30 25 0:45 / /data rw - btrfs /dev/disk/by-uuid/1234-ABCD rw\n"},
            "is mounted: /dev/disk/by-uuid/1234-ABCD is in use at /data",
        ),
        (CARD, {"/proc/self/mountinfo": "30 25 8:16 / /media/x rw - vfat /dev/sdb rw\n"}, "is mounted"),
        (CARD, {"/proc/swaps": "Filename\n/dev/sdb1 partition 1 0 -2\n"}, "/dev/sdb1 is in use at [SWAP]"),
        (CARD, {"/sys/class/block/sdb1/holders/dm-0": ""}, "sdb1 is part of dm-0"),
        (CARD, {"/sys/class/block/sdb/holders/md0": ""}, "sdb is part of md0"),
    ],
)
def test_every_reason_to_leave_a_device_alone(
    name: str, changes: dict[str, str], says: str, tmp_path: Path
) -> None:
    root = machine(tmp_path / "root", **changes)
    before = (root / "dev/sdb").read_bytes()
    with pytest.raises(DeviceRefused) as caught:
        card_device.examine(name, SIZE, root)
    assert says in str(caught.value)
    image = tmp_path / "image"
    image.write_bytes(b"x" * SIZE)
    with pytest.raises(DeviceRefused):
        card_device.write(image, card_device.Card(name, "sdb", 8 << 20, ""), root)
    assert (root / "dev/sdb").read_bytes() == before


@pytest.mark.parametrize(("kind", "allowed"), [("SD", True), ("MMC", False), ("", False)])
def test_a_card_slot_is_told_from_a_soldered_chip(kind: str, allowed: bool, tmp_path: Path) -> None:
    slot = "/dev/disk/by-id/mmc-SC16G_0x1234"
    root = machine(
        tmp_path,
        **{
            slot: "->../../mmcblk0",
            "/sys/block/mmcblk0/removable": "0\n",
            "/sys/block/mmcblk0/size": "30000\n",
            "/sys/block/mmcblk0/device/type": f"{kind}\n",
            "/sys/block/mmcblk0/device/name": "SC16G\n",
            "/sys/class/block/mmcblk0/dev": "179:0\n",
        },
    )
    if allowed:
        assert card_device.examine(slot, SIZE, root).model == "SC16G"
    else:
        with pytest.raises(DeviceRefused, match="is built in"):
            card_device.examine(slot, SIZE, root)


def test_writing_and_reading_back(tmp_path: Path) -> None:
    root, image = machine(tmp_path / "root"), tmp_path / "image"
    image.write_bytes(bytes(range(256)) * 20_000)
    card = card_device.examine(CARD, image.stat().st_size, root)
    assert card_device.write(image, card, root) == hashlib.sha256(image.read_bytes()).hexdigest()
    written = (root / "dev/sdb").read_bytes()
    assert written[: image.stat().st_size] == image.read_bytes()
    assert len(written) == 8 << 20


def test_a_card_that_is_smaller_than_it_says(tmp_path: Path) -> None:
    """/dev/full takes nothing: every write fails as on a card at its end."""
    root, image = machine(tmp_path / "root"), tmp_path / "image"
    (root / "dev/sdb").unlink()
    (root / "dev/sdb").symlink_to("/dev/full")
    image.write_bytes(bytes(SIZE))
    with pytest.raises(DeviceRefused, match="failed: No space left on device; the card is incomplete"):
        card_device.write(image, card_device.examine(CARD, SIZE, root), root)


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_a_card_that_loses_what_is_written(tmp_path: Path) -> None:
    """One write is answered with success and done by nobody, as on fake cards."""
    root, image = machine(tmp_path / "root"), tmp_path / "image"
    image.write_bytes(b"x" * SIZE)
    script = (
        "import sys, pathlib; from boards import card_device\n"
        "root, image = map(pathlib.Path, sys.argv[1:])\n"
        f"card_device.write(image, card_device.examine({CARD!r}, {SIZE}, root), root)\n"
    )
    trace = [
        "strace",
        "-qq",
        "-o",
        "/dev/null",
        "-P",
        str(root / "dev/sdb"),
        "-e",
        f"inject=write:retval={SIZE}",
    ]
    command = [*trace, sys.executable, "-c", script, str(root), str(image)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not read back as it was written: the card is worn out or fake" in done.stderr


def test_this_machines_own_disks_are_refused() -> None:
    for path in Path("/dev/disk/by-id").glob("*") if Path("/dev/disk/by-id").is_dir() else []:
        with pytest.raises(DeviceRefused):
            card_device.examine(str(path), 1 << 62)
    with pytest.raises(DeviceRefused):
        card_device.examine("/dev/sda", 1)
