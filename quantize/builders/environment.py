"""Environments that the tool makes for itself: for builders whose libraries fit into no other.

An environment is a virtual environment in the user's cache folder, named after the digest of its pins:
other pins are another environment. It counts as made once the file ``ready`` stands in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import BuildFailed, StorageFailed
from edge.fetch import cache_folder
from measure import child

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PINS = Path(__file__).parent.parent / "environments"
READY = "ready"
MINUTES = 60.0


@dataclass(frozen=True)
class Environment:
    """A named set of pins. ``installs``: what each run of pip is given, in order."""

    name: str
    pythons: tuple[str, ...]
    installs: tuple[tuple[str, ...], ...]

    @property
    def variable(self) -> str:
        """Environment variable that names an interpreter to use instead of making one."""
        return f"FERLITE_{self.name.upper()}_PYTHON"

    @property
    def folder(self) -> Path:
        """Where it is, or would be once made."""
        pins = json.dumps([self.installs, sys.version_info[:2]])
        return (
            cache_folder() / "environments" / f"{self.name}-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
        )

    def versions(self) -> dict[str, str]:
        """The pins, as builders name what shapes their bytes."""
        pinned = [pin.partition("==") for group in self.installs for pin in group]
        return {package: version for package, _, version in pinned}

    def python(self) -> Path:
        """Its interpreter; the environment is made first where it is not there.

        Raises BuildFailed and StorageFailed.
        """
        if own := os.environ.get(self.variable):
            if not Path(own).is_file():
                raise BuildFailed(f"{self.variable} names '{own}', which is no interpreter")
            return Path(own)
        python = self.folder / "bin" / "python"
        if not (self.folder / READY).is_file():
            self._make(python)
        return python

    def _make(self, python: Path) -> None:
        here = f"{sys.version_info[0]}.{sys.version_info[1]}"
        if here not in self.pythons:
            raise BuildFailed(
                f"the {self.name} environment needs Python {', '.join(self.pythons)}, not {here}: "
                f"give an interpreter that has {', '.join(self.versions())} in {self.variable}"
            )
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with self.folder.with_suffix(".lock").open("w") as lock:
                # A second build waits for the first's environment instead of making it over its head.
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not (self.folder / READY).is_file():
                    self._fill(python)
        except OSError as error:
            raise StorageFailed(f"cannot write '{self.folder}': {error.strerror or error}") from error

    def _fill(self, python: Path) -> None:
        print(f"making the {self.name} environment in '{self.folder}', once: minutes", file=sys.stderr)
        # What a killed build left: only ``ready`` tells a whole environment.
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            command([sys.executable, "-m", "venv", str(self.folder)], f"making the {self.name} environment")
            for group in self.installs:
                pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *group]
                command(pip, f"installing {' '.join(group)}")
            pinned = "\n".join(" ".join(group) for group in self.installs)
            (self.folder / READY).write_text(pinned, encoding="utf-8")
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise


def environment(name: str, pins: Path = PINS) -> Environment:
    """The environment whose pins are ``name``.toml in ``pins``."""
    table = tomllib.loads((pins / f"{name}.toml").read_text(encoding="utf-8"))
    return Environment(name, tuple(table["pythons"]), tuple(tuple(group) for group in table["installs"]))


def run_job(where: Environment, script: Path, order: Mapping[str, Any], inputs: Mapping[str, bytes]) -> bytes:
    """What ``script`` makes in ``where`` of ``order`` and the files ``inputs`` (order's key -> content).

    The script gets the path of a JSON file as its one argument: the order, each of ``inputs`` replaced by the
    path of a file, and ``out``, the file that it must write. Raises BuildFailed.
    """
    python = where.python()
    with tempfile.TemporaryDirectory() as folder:
        full = dict(order)
        for key, content in inputs.items():
            path = Path(folder) / key
            path.write_bytes(content)
            full[key] = str(path)
        out = Path(folder) / "out"
        full["out"] = str(out)
        written = Path(folder) / "order.json"
        written.write_text(json.dumps(full), encoding="utf-8")
        command([str(python), "-I", str(script), str(written)], f"the {where.name} builder")
        if not out.is_file():
            raise BuildFailed(f"the {where.name} builder ended without a result")
        return out.read_bytes()


def command(words: Sequence[str], what: str) -> None:
    """Run a program and wait. Raises BuildFailed with the last thing it said where it fails or is killed."""
    child.run(words, what, minutes=MINUTES, error=BuildFailed)
