"""``boot``: start a flashed card in a whole emulated Arm computer and wait for its first reading.

QEMU's ``virt`` machine with the board's core stands in for the board. It has no firmware that reads the FAT
partition, so this does what a Raspberry Pi's does: it takes kernel, initial RAM disk and ``cmdline.txt`` from
there at every start, again after a restart. All else is the card's own: its systemd, its cloud-init, the
installer and the service as deployed. The journal is sent to the serial console, and the readings with it.

The card is copied first and stays as it is. Nothing here says how fast a board would be.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from boards.emulate import CORES
from boards.errors import EmulationFailed, ImageInvalid, ToolMissing, UsageError
from boards.fat_image import Fat
from boards.flash import copy_sparse
from boards.profile import Profile
from boards.progress import say

PROGRAM = "qemu-system-aarch64"
# A first start that installs and restarts needs two; one more shows a card that never gets anywhere.
MOST_STARTS = 3
# By the card's own clock. It runs ahead when the card has nothing to do, so a card that waits ends soon.
MOST_SECONDS = 3600
_KERNELS = ("vmlinuz", "kernel8.img")
_RAM_DISKS = ("initrd", "initramfs8")
# A board's serial console and its boot picture; the emulated machine has a console of its own.
_NOT_HERE = re.compile(r"^(console=|quiet$|splash$|plymouth\.|loglevel=)")
_CONSOLE = (
    "console=ttyAMA0",
    "loglevel=4",
    "panic=-1",
    "systemd.journald.forward_to_console=1",
    "systemd.journald.max_level_console=info",
)
_READING = re.compile(r"ferlite\[\d+\]: (\{.*\})")
_UPTIME = re.compile(r"\[ *(\d+)\.\d+\] ")
_READY = re.compile(r"systemd\[1\]: Started ferlite\.service")
_WORTH_SAYING = re.compile(r"ferlite|cloud-init\[\d+\]: Cloud-init|Kernel panic|Welcome to")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|[\x00-\x08\x0b-\x1f]")


@dataclass(frozen=True)
class Own:
    """A kernel and RAM disk to use in place of the card's: for a card whose kernel has no virtio drivers."""

    kernel: Path | None = None
    ram_disk: Path | None = None


@dataclass
class Booted:
    """What a started card said: the first reading, and whether systemd took the service for ready."""

    core: str
    starts: int = 0
    seconds: float = 0.0
    reading: dict[str, Any] | None = None
    ready: bool = False
    uptime: int = 0
    last_line: str = field(default="", repr=False)

    def listen(self, line: str) -> bool:
        """Take one line of the console; True once there is nothing more to wait for."""
        if found := _READING.search(line):
            self.reading = self.reading or _reading(found[1])
        self.ready = self.ready or bool(_READY.search(line))
        if found := _UPTIME.search(line):
            self.uptime = int(found[1])
        self.last_line = line or self.last_line
        return self.ready and self.reading is not None

    def missing(self) -> str:
        """What the card has not come to."""
        return "its service being ready" if self.reading else "a reading"

    def as_json(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "core": self.core,
            "starts": self.starts,
            "seconds": round(self.seconds),
            "ready": self.ready,
            "reading": self.reading,
        }


def _reading(text: str) -> dict[str, Any] | None:
    """A line of the service's journal as a reading; None for anything else, and for a line that was cut."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "faces" in found else None


def boot(
    card: Path, profile: Profile, *, minutes: float = 60, own: Own | None = None, console: Path | None = None
) -> Booted:
    """Start the card until its service is ready and has read a frame.

    ``console`` gets everything the serial console said. Raises ToolMissing, UsageError, ImageInvalid and
    EmulationFailed.
    """
    _check(profile)
    booted = Booted(profile.cpu.core)
    began = time.monotonic()
    deadline = began + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="ferlite-boot-") as place:
        copy = Path(place) / "card.img"
        say(f"copying {card.name}")
        try:
            copy_sparse(card, copy)
        except OSError as error:
            raise EmulationFailed(f"cannot copy '{card}' to '{place}': {error.strerror}") from error
        with (console or Path(os.devnull)).open("wb") as log:
            while booted.starts < MOST_STARTS:
                booted.starts += 1
                say(f"start {booted.starts}: {PROGRAM} with {booted.core}; this takes many minutes")
                command = [*_machine(profile, copy), *_software(copy, Path(place), own or Own())]
                if _start(command, booted, log, deadline):
                    booted.seconds = time.monotonic() - began
                    return booted
    raise EmulationFailed(
        f"the card restarted {booted.starts} times without a reading; its console ended with: "
        f"{booted.last_line[-160:]!r}"
    )


def _check(profile: Profile) -> None:
    if profile.arch != "aarch64" or profile.cpu.core not in CORES:
        raise UsageError(
            f"no emulator has the core of {profile.name}: choose a board with {', '.join(CORES)}"
        )
    if not shutil.which(PROGRAM):
        raise ToolMissing("starting a card needs qemu: sudo apt install qemu-system-arm mtools")


def _machine(profile: Profile, card: Path) -> list[str]:
    """The computer: one of the board's cores and its smallest memory, the card as its disk, no network.

    Its clock counts instructions (2 ns each) and skips what it would sleep, so that the card's own time-outs
    mean the same on a busy machine as on an idle one.
    """
    return [
        PROGRAM,
        "-M",
        "virt",
        "-cpu",
        profile.cpu.core,
        "-accel",
        "tcg",
        "-icount",
        "shift=1,sleep=off",
        "-m",
        str(int(1024 * min(profile.ram_gb))),
        "-nodefaults",
        "-nic",
        "none",
        "-no-reboot",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-monitor",
        "none",
        "-device",
        "virtio-rng-pci",
        "-drive",
        f"file={card},format=raw,if=virtio,cache=unsafe",
    ]


def _software(card: Path, place: Path, own: Own) -> list[str]:
    """Kernel, RAM disk and command line, as they lie on the card now. Raises ImageInvalid."""
    fat = Fat.of(card)
    names = fat.names()
    words = (fat.read("cmdline.txt") or b"").decode(errors="replace").split()
    if not any(word.startswith("root=") for word in words):
        raise ImageInvalid(f"'{card.name}' has no cmdline.txt with root= on its FAT partition to start from")
    arguments = ["-append", " ".join([word for word in words if not _NOT_HERE.match(word)] + [*_CONSOLE])]
    for option, given, prefixes in (("-kernel", own.kernel, _KERNELS), ("-initrd", own.ram_disk, _RAM_DISKS)):
        path = given or _extract(fat, names, prefixes, place / option[1:])
        if path is None and option == "-kernel":
            raise ImageInvalid(
                f"the FAT partition has no kernel ({', '.join(_KERNELS)}): name one with --kernel"
            )
        arguments += [option, str(path)] if path else []
    return arguments


def _extract(fat: Fat, names: Sequence[str], prefixes: Sequence[str], to: Path) -> Path | None:
    found = [name for prefix in prefixes for name in names if name.lower().startswith(prefix)]
    if not found:
        return None
    to.write_bytes(fat.read(found[0]) or b"")
    return to


def _start(command: Sequence[str], booted: Booted, log: BinaryIO, deadline: float) -> bool:
    """Run the computer until the card has said enough (True) or turned itself off (False)."""
    # However this program ends, no computer goes on without it.
    command = ["setpriv", "--pdeathsig", "KILL", *command]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            for line in _lines(process, log, deadline):
                if _WORTH_SAYING.search(line) and not _READING.search(line):
                    say(f"  {line[:110]}")
                if booted.listen(line):
                    return True
                if booted.uptime > MOST_SECONDS:
                    raise EmulationFailed(f"the card was up for {MOST_SECONDS} s without {booted.missing()}")
        finally:
            process.kill()
    if time.monotonic() >= deadline:
        raise EmulationFailed(
            f"the card came to the end of --minutes without {booted.missing()}; its console ended with: "
            f"{booted.last_line[-160:]!r}"
        )
    if process.returncode > 0:
        raise EmulationFailed(f"{PROGRAM} failed: {booted.last_line[-200:]}")
    return False


def _lines(process: subprocess.Popen[bytes], log: BinaryIO, deadline: float) -> Iterator[str]:
    """The console's lines as they come, until it ends or time is up."""
    assert process.stdout
    handle, rest = process.stdout.fileno(), b""
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([handle], [], [], left)[0]:
            return
        chunk = os.read(handle, 65536)
        if not chunk:
            process.wait()
            return
        log.write(chunk)
        log.flush()
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield _ESCAPES.sub("", line.decode(errors="replace")).strip()
