"""An offline wheelhouse for a board: every wheel it needs, that fits its Python, architecture and glibc.

pip downloads; what it downloaded is then checked against the board, not against this machine: pip reads
environment markers as they are here, so the set it brings can lack a wheel or hold one too many.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from boards import child
from boards.errors import PayloadInvalid

_OLDEST_GLIBC_MINOR = 17
_SOURCE = Path(__file__).parent.parent
_DAMAGE = (zipfile.BadZipFile, zlib.error, IndexError, KeyError, UnicodeDecodeError, InvalidRequirement)
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True)
class Target:
    """What wheels must fit: ``python`` and ``glibc`` such as "3.13" and "2.41"."""

    arch: str
    python: str
    glibc: str

    @cached_property
    def platforms(self) -> list[str]:
        """Platform tags, the most specific first."""
        minor = int(self.glibc.split(".")[1])
        oldest = 5 if self.arch == "x86_64" else _OLDEST_GLIBC_MINOR
        found = []
        for level in range(minor, oldest - 1, -1):
            found.append(f"manylinux_2_{level}_{self.arch}")
            found += [f"{_LEGACY[level]}_{self.arch}"] if level in _LEGACY else []
        return [*found, f"linux_{self.arch}"]

    @cached_property
    def tags(self) -> frozenset[Tag]:
        """Every tag a wheel for this target may carry."""
        version = tuple(int(part) for part in self.python.split(".")[:2])
        short = f"cp{version[0]}{version[1]}"
        return frozenset(
            (
                *cpython_tags(version, platforms=self.platforms),
                *compatible_tags(version, short, self.platforms),
            )
        )

    @property
    def environment(self) -> dict[str, str]:
        """Environment markers as they are on the board."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.arch,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def __str__(self) -> str:
        return f"Python {self.python} on {self.arch} with glibc {self.glibc}"


@dataclass(frozen=True)
class Wheel:
    """One wheel file."""

    path: Path
    name: str
    version: Version
    tags: frozenset[Tag]

    def sha256(self) -> str:
        """Digest of the file. Raises PayloadInvalid."""
        try:
            with self.path.open("rb") as file:
                return _digest(file)
        except OSError as error:
            raise PayloadInvalid(f"cannot read wheel '{self.path}': {error.strerror}") from error

    def unpacked_bytes(self) -> int:
        """Size of its files once installed. Raises PayloadInvalid."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                return sum(entry.file_size for entry in archive.infolist())
        except (OSError, zipfile.BadZipFile) as error:
            raise PayloadInvalid(f"wheel '{self.path.name}' is damaged: {error}") from error

    def requires(self, target: Target, extras: Iterable[str]) -> list[Requirement]:
        """What it needs on the target, for these extras. Raises PayloadInvalid."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                inside = [
                    name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)
                ]
                headers = HeaderParser().parsestr(archive.read(inside[0]).decode())
            lines = [Requirement(line) for line in headers.get_all("Requires-Dist") or []]
        except (
            OSError,
            zipfile.BadZipFile,
            zlib.error,
            IndexError,
            KeyError,
            UnicodeDecodeError,
            InvalidRequirement,
        ) as error:
            raise PayloadInvalid(f"wheel '{self.path.name}' is damaged: {error}") from error
        wanted = []
        for line in lines:
            for extra in ("", *extras):
                if line.marker is None or line.marker.evaluate({**target.environment, "extra": extra}):
                    wanted.append(line)
                    break
        return wanted


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def read_wheel(path: Path) -> Wheel:
    """A wheel by its file name. Raises PayloadInvalid."""
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise PayloadInvalid(f"'{path.name}' is not the name of a wheel") from error
    return Wheel(path, name, version, tags)


def closure(
    folders: Sequence[Path], target: Target, roots: Sequence[str]
) -> tuple[list[Wheel], list[Requirement]]:
    """The wheels that ``roots`` need on the target, and the requirements that no wheel here meets."""
    there = [read_wheel(path) for folder in folders for path in sorted(folder.glob("*.whl"))]
    taken: dict[str, Wheel] = {}
    missing: dict[str, Requirement] = {}
    queue = [Requirement(root) for root in roots]
    seen: set[str] = set()
    while queue:
        wanted = queue.pop(0)
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        fits = [one for one in there if _fits(one, wanted, target)]
        if not fits:
            missing[str(wanted)] = wanted
            continue
        best = max(fits, key=lambda one: one.version)
        taken[best.name] = best
        queue += best.requires(target, wanted.extras)
    return sorted(taken.values(), key=lambda one: one.name), list(missing.values())


def _fits(wheel: Wheel, wanted: Requirement, target: Target) -> bool:
    return (
        wheel.name == canonicalize_name(wanted.name)
        and wanted.specifier.contains(wheel.version, prereleases=True)
        and bool(wheel.tags & target.tags)
    )


def refuse_unfit(folders: Sequence[Path], target: Target, missing: Sequence[Requirement]) -> None:
    """Say what is missing, and whether a wheel for something else is there in its place."""
    for wanted in missing:
        others = [
            path.name
            for folder in folders
            for path in sorted(folder.glob("*.whl"))
            if read_wheel(path).name == canonicalize_name(wanted.name)
        ]
        if others:
            raise PayloadInvalid(f"no wheel for '{wanted}' fits {target}: there is only {', '.join(others)}")
        raise PayloadInvalid(f"the wheelhouse has no wheel for '{wanted}' ({target})")


def collect(
    target: Target, roots: Sequence[str], folder: Path, *, extra: Sequence[Path] = (), offline: bool = False
) -> list[Wheel]:
    """Fill ``folder`` with what ``roots`` need, and return exactly those wheels. Raises PayloadInvalid.

    ``extra``: folders of wheels that the user brings; they come first. ``offline``: download nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folders = [*extra, folder]
    wheels, missing = closure(folders, target, roots)
    for _ in range(6):
        if not missing or offline:
            break
        _download(target, missing, folder, extra)
        before = [str(one) for one in missing]
        wheels, missing = closure(folders, target, roots)
        if [str(one) for one in missing] == before:
            break
    refuse_unfit(folders, target, missing)
    return wheels


def _download(target: Target, missing: Sequence[Requirement], folder: Path, extra: Sequence[Path]) -> None:
    short = "cp" + "".join(target.python.split(".")[:2])
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--only-binary=:all:",
        "--dest",
        str(folder),
    ]
    command += ["--python-version", target.python, "--implementation", "cp"]
    command += [part for abi in (short, "abi3", "none") for part in ("--abi", abi)]
    command += [part for platform in target.platforms for part in ("--platform", platform)]
    command += [part for one in (*extra, folder) for part in ("--find-links", str(one))]
    # The markers were read for the board already; pip would read them for this machine.
    names = [
        f"{one.name}[{','.join(sorted(one.extras))}]{one.specifier}"
        if one.extras
        else f"{one.name}{one.specifier}"
        for one in missing
    ]
    done = child.run([*command, *names])
    if done.returncode:
        raise PayloadInvalid(f"pip cannot get wheels for {target}: {_last_error(done.stderr)}")


def own_wheel(folder: Path) -> Path:
    """ferlite's own wheel: built from this source tree, or downloaded if ferlite was installed from PyPI."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("ferlite-*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "pip"]
    if (_SOURCE / "pyproject.toml").is_file():
        command += ["wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(_SOURCE)]
    else:
        from importlib.metadata import version

        command += [
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
            f"ferlite=={version('ferlite')}",
        ]
    # The same source gives the same bytes.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "315532800")}
    done = child.run(command, env=environment)
    found = sorted(folder.glob("ferlite-*.whl"))
    if done.returncode or not found:
        raise PayloadInvalid(f"cannot make ferlite's own wheel: {_last_error(done.stderr)}")
    return found[0]


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and "notice" not in line]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no reason given"])[-1 if not errors else 0]


def requirements(wheels: Sequence[Wheel]) -> str:
    """A hash-pinned requirements file for exactly these wheels."""
    return "".join(f"{one.name}=={one.version} --hash=sha256:{one.sha256()}\n" for one in wheels)
