"""Finished steps of a build, kept so that a build that was stopped goes on where it was.

A step's results are stored under the digest of everything they depend on, this tool's own code included:
what is found is what would be made again. The folder lies beside the bundle and goes when that is done.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import edge
import faces
import measure
import quantize
import train
from edge.errors import FerliteError, StorageFailed
from edge.files import write_folder
from train.lock import held

DIGITS = 16  # of a step's digest that its folder is called by


class Workspace:
    """Steps in ``folder``. ``base`` is what every step of this build depends on, JSON-ready."""

    def __init__(self, folder: Path, base: Mapping[str, Any]) -> None:
        self._folder = folder
        self._base = {"tool": tool_digest(), **base}
        self.reused: list[str] = []

    def files(
        self, step: str, inputs: Mapping[str, Any], make: Callable[[], Mapping[str, bytes]]
    ) -> Mapping[str, bytes]:
        """What ``make`` returned (name -> content) when the step was first done with these ``inputs``.

        Raises StorageFailed where the folder cannot be written, by this or by ``make``.
        """
        key = json.dumps({"step": step, "base": self._base, "inputs": inputs}, sort_keys=True)
        place = self._folder / f"{step}-{hashlib.sha256(key.encode()).hexdigest()[:DIGITS]}"
        try:
            if place.is_dir():
                self.reused.append(step)
                return {path.name: path.read_bytes() for path in sorted(place.iterdir())}
            made = make()
            write_folder(place, made)
        except FerliteError:
            raise  # some of ours are OSErrors too, and say what failed
        except OSError as error:
            raise StorageFailed(f"cannot write '{place}': {error.strerror or error}") from error
        return made

    def value(self, step: str, inputs: Mapping[str, Any], make: Callable[[], Any]) -> Any:
        """``files`` for one JSON-ready value."""
        kept = self.files(step, inputs, lambda: {"value.json": json.dumps(make()).encode()})
        return json.loads(kept["value.json"])

    def remove(self) -> None:
        """Forget every step; what somebody else put there stays, and the folder with it."""
        for place in self._folder.glob("*-" + DIGITS * "[0-9a-f]"):
            shutil.rmtree(place, ignore_errors=True)
        # What is hidden are locks, and what a step that was killed had begun.
        if self._folder.is_dir() and all(path.name.startswith(".") for path in self._folder.iterdir()):
            shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Let nobody else build into ``out`` meanwhile. Raises UsageError where somebody does, StorageFailed."""
    refusal = f"'{out}' is being built already: wait for that, or give another -o"
    with held(out.with_name(f"{out.name}.building.lock"), refusal):
        yield


def tool_digest() -> str:
    """Digest of the code that a build runs: another version of the tool trusts no step of this one's."""
    digest = hashlib.sha256()
    for package in (edge, faces, measure, train, quantize):
        folder = Path(package.__path__[0])
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder.parent)).encode() + path.read_bytes())
    return digest.hexdigest()
