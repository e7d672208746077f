"""Whether a worker would do what this machine would: the same Python, the same ferlite, code and all."""

from __future__ import annotations

import functools
import hashlib
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Whatever a task may run; each is there or not as ferlite was installed.
PACKAGES = ("cluster", "edge", "faces", "measure", "pages", "train", "quantize", "boards")


@dataclass(frozen=True)
class Software:
    """``python`` as in "3.11": tasks travel between two of the same. ``code``: ferlite's digest."""

    python: str
    ferlite: str
    code: str

    def unlike(self, other: Software) -> str:
        """What ``other`` has and this has not, as the middle of a sentence; "" where they are alike."""
        if self.python != other.python:
            return f"Python {other.python}, and here is Python {self.python}"
        if self.ferlite != other.ferlite:
            return f"ferlite {other.ferlite}, and here is ferlite {self.ferlite}"
        if self.code != other.code:
            return f"ferlite {other.ferlite} with other code ({other.code[:8]}, and here is {self.code[:8]})"
        return ""


@functools.cache
def software() -> Software:
    """What runs in this process."""
    try:
        version = metadata.version("ferlite")
    except metadata.PackageNotFoundError:
        version = "(not installed)"
    return Software("{}.{}".format(*sys.version_info[:2]), version, code_digest(ROOT))


def code_digest(root: Path) -> str:
    """Sha256, in hex, over the Python files of ferlite's packages below ``root``."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
