"""``emulate``: run ferlite as on an Arm board: the board's real wheels under QEMU's model of its core.

No board, no root rights and no chroot are needed: an arm64 Debian is unpacked into a cache folder (nothing
in it is ever run while it is made), and qemu's user mode starts its Python with the wheels that the board
would get. What the kernel says of the CPU is written to match the core: a library that is told of
instructions which the core lacks would use them, and die.

This shows that a board's software starts and computes what it should, instruction set included. It shows
nothing about speed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boards import child, wheels
from boards.errors import BoardsError, EmulationFailed, ToolMissing, UsageError
from boards.profile import Image, Profile
from boards.progress import say
from boards.settings import Settings
from boards.wheels import Target, Wheel

# Debian releases by the Python that they bring: the board's own system is emulated by the one that fits.
_SUITES = {"3.11": "bookworm", "3.13": "trixie"}
_PACKAGES = "python3,libstdc++6,libgomp1,libatomic1"
_BASE = "fp asimd evtstrm crc32 cpuid"
_V82 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Core:
    """What /proc/cpuinfo says of a core: its part number and the features that QEMU's model of it has."""

    part: int
    features: str


CORES = {
    "cortex-a53": Core(0xD03, _BASE),
    "cortex-a57": Core(0xD07, _BASE),
    "cortex-a72": Core(0xD08, _BASE),
    "cortex-a76": Core(0xD0B, _V82),
}


@dataclass(frozen=True)
class Machine:
    """An emulated board: its core, the file tree it sees, and the folder of its wheels."""

    core: str
    view: Path
    wheels: Path
    python: str
    cache: Path

    def command(self, words: Sequence[str]) -> list[str]:
        """The host's command line for a command of the board (``ferlite ...`` or ``python ...``)."""
        program, rest = words[0], list(words[1:])
        if program == "ferlite":
            rest = ["-m", "edge.cli", *rest]
        elif program not in ("python", "python3"):
            raise UsageError(f"the emulated board runs ferlite or python, not '{program}'")
        interpreter = self.view / f"usr/bin/python{self.python}"
        return ["qemu-aarch64-static", "-cpu", self.core, "-L", str(self.view), str(interpreter), *rest]

    def environment(self, home: str) -> dict[str, str]:
        """Nothing of the host's settings but its terminal; one thread, so that runs can be repeated."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": home,
            "LANG": "C.UTF-8",
            "TERM": os.environ.get("TERM", "dumb"),
            "PYTHONPATH": str(self.wheels),
            "PYTHONNOUSERSITE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONPYCACHEPREFIX": str(self.cache / f"pyc-{self.python}"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def run(self, words: Sequence[str], *, capture: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command of the board. Raises EmulationFailed where its core lacks an instruction."""
        with tempfile.TemporaryDirectory(prefix="ferlite-home-") as home:
            done = child.run(self.command(words), env=self.environment(home), capture=capture)
        if done.returncode in (-signal.SIGILL, 128 + signal.SIGILL):
            raise EmulationFailed(
                f"'{' '.join(words[:3])}' executed an instruction that {self.core} does not have: "
                "one of its wheels was built for a newer core"
            )
        if done.returncode in (-signal.SIGSEGV, 128 + signal.SIGSEGV):
            raise EmulationFailed(f"'{' '.join(words[:3])}' crashed on the emulated {self.core}")
        return done


def system_for(profile: Profile, name: str = "") -> Image:
    """The board's system image that a Debian release can stand in for. Raises UsageError."""
    if profile.arch != "aarch64":
        raise UsageError(f"{profile.id} is an x86 board, as this PC is: run the command without emulate")
    if profile.cpu.core not in CORES:
        raise UsageError(
            f"no emulator has the core of {profile.name}: choose a board with {', '.join(CORES)}"
        )
    fits = [image for image in profile.image if image.python in _SUITES and name in ("", image.name)]
    if fits:
        return fits[0]
    wanted = profile.image_named(name)
    raise UsageError(
        f"no Debian release has the Python {wanted.python} of {wanted.os}, so it cannot be emulated; "
        "emulate generic-arm64 to try its architecture"
    )


def prepare(profile: Profile, cache: Path, *, settings: Settings | None = None, system: str = "") -> Machine:
    """Make (or find in the cache) everything an emulated board needs. Raises BoardsError."""
    image, chosen = system_for(profile, system), settings or Settings()
    if not shutil.which("qemu-aarch64-static"):
        raise ToolMissing("emulating needs qemu: sudo apt install qemu-user-static mmdebstrap")
    base = _root(_SUITES[image.python], cache / "roots")
    target = Target(profile.arch, image.python, image.glibc)
    extras = {one.library.extra for one in profile.engine if one.device == "CPU" and not one.own_wheel}
    own = wheels.own_wheel(cache / "wheels/own")
    house = chosen.wheelhouse or cache / f"wheels/{target.arch}-{target.python}-glibc{target.glibc}"
    root = f"ferlite[{','.join(sorted(extras))}]"
    found = wheels.collect(
        target, [root], house, extra=[own.parent, *chosen.own_wheels], offline=chosen.offline
    )
    unpacked = _unpack(found, cache / "unpacked")
    view = _view(base, profile, cache / "views")
    return Machine(profile.cpu.core, view, unpacked, image.python, cache)


def _root(suite: str, folder: Path) -> Path:
    """An arm64 Debian, unpacked but never started."""
    done = folder / suite
    if done.is_dir():
        return done
    if not shutil.which("mmdebstrap"):
        raise ToolMissing("emulating needs an arm64 Debian: sudo apt install mmdebstrap")
    folder.mkdir(parents=True, exist_ok=True)
    say(f"unpacking Debian {suite} for arm64 (once; about 80 MB)")
    part = Path(tempfile.mkdtemp(prefix=f".{suite}-", dir=folder))
    # Extracting runs no program of the packages, so neither root nor binfmt is needed for arm64 ones.
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=extract",
        "--architectures=arm64",
        f"--include={_PACKAGES}",
    ]
    command += ["--mode=root" if os.geteuid() == 0 else "--mode=unshare", suite, str(part / "root")]
    try:
        ran = child.run(command)
        if ran.returncode or not (part / "root/usr/bin").is_dir():
            words = [line for line in ran.stderr.splitlines() if line.startswith("E:")]
            raise EmulationFailed(
                f"cannot unpack Debian {suite}: {words[-1] if words else ran.stderr[-120:]}"
            )
        (part / "root").rename(done)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return done


def _unpack(found: Sequence[Wheel], folder: Path) -> Path:
    """The wheels' files in one folder, named after exactly these wheels."""
    name = hashlib.sha256(wheels.requirements(found).encode()).hexdigest()[:16]
    done = folder / name
    if done.is_dir():
        return done
    folder.mkdir(parents=True, exist_ok=True)
    say(f"unpacking {len(found)} wheels")
    part = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
    try:
        for one in found:
            with zipfile.ZipFile(one.path) as archive:
                archive.extractall(part / "wheels")
        (part / "wheels").rename(done)
    except (zipfile.BadZipFile, OSError) as error:
        raise EmulationFailed(f"cannot unpack wheel '{one.path.name}': {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return done


def _view(base: Path, profile: Profile, folder: Path) -> Path:
    """The tree a board sees: Debian's folders by links, and a /proc and /sys that tell of its own cores."""
    view = folder / f"{base.name}-{profile.id}"
    shutil.rmtree(view, ignore_errors=True)
    view.mkdir(parents=True)
    for path in base.iterdir():
        if path.name not in ("proc", "sys", "tmp", "dev"):
            (view / path.name).symlink_to(path.readlink() if path.is_symlink() else path)
    (view / "proc").mkdir()
    (view / "proc/cpuinfo").write_text(cpuinfo(profile), encoding="utf-8")
    cpus = view / "sys/devices/system/cpu"
    last = profile.cpu.cores - 1
    for number in range(profile.cpu.cores):
        for name, value in (
            ("topology/physical_package_id", "0"),
            ("topology/core_id", str(number)),
            ("topology/core_siblings_list", f"0-{last}"),
            ("cpufreq/cpuinfo_max_freq", "1500000"),
        ):
            path = cpus / f"cpu{number}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n", encoding="utf-8")
    for name in ("present", "possible", "online"):
        (cpus / name).write_text(f"0-{last}\n", encoding="utf-8")
    return view


def cpuinfo(profile: Profile) -> str:
    """/proc/cpuinfo of the board's cores."""
    core = CORES[profile.cpu.core]
    block = (
        f"BogoMIPS\t: 38.40\nFeatures\t: {core.features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        f"CPU variant\t: 0x0\nCPU part\t: {core.part:#05x}\nCPU revision\t: 4\n\n"
    )
    return "".join(f"processor\t: {number}\n{block}" for number in range(profile.cpu.cores))


def same_everywhere(machines: Sequence[Machine], words: Sequence[str]) -> dict[str, str]:
    """The sha256 of what a command prints on each machine, by core. Raises BoardsError where one fails."""
    digests = {}
    for machine in machines:
        done = machine.run(words, capture=True)
        if done.returncode:
            last = done.stderr.strip().splitlines()
            raise BoardsError(f"on {machine.core}: {last[-1] if last else f'exit code {done.returncode}'}")
        digests[machine.core] = hashlib.sha256(done.stdout.encode()).hexdigest()
    return digests
