"""Reads small files under a root folder and answers None for whatever cannot be known.

Every probe reads through a ``Tree``, so that a recorded or reconstructed tree can stand in for a board.
"""

from __future__ import annotations

import re
from pathlib import Path

_LIMIT = 1 << 16
_NUMBER = re.compile(r"[+-]?\d{1,20}")


class Tree:
    """A file tree at ``root``. ``denied`` collects the paths that exist but may not be read."""

    def __init__(self, root: str | Path = "/") -> None:
        self.root = Path(root)
        self.denied: list[str] = []

    @property
    def is_live(self) -> bool:
        """Whether this is the machine we run on, so that commands and system calls speak of it too."""
        return self.root == Path("/")

    def path(self, name: str) -> Path:
        """Where ``name`` (with or without a leading slash) lies under the root."""
        return self.root / name.lstrip("/")

    def raw(self, name: str, limit: int = _LIMIT) -> bytes | None:
        """At most ``limit`` bytes of a file; None where it is missing, denied or not readable."""
        try:
            with self.path(name).open("rb") as file:
                return file.read(limit)
        except PermissionError:
            if name not in self.denied:
                self.denied.append(name)
        except (OSError, ValueError):
            pass
        return None

    def text(self, name: str) -> str | None:
        """A file as stripped text without NULs; None where it is missing or says nothing."""
        raw = self.raw(name)
        if raw is None:
            return None
        text = raw.decode("utf-8", errors="replace").replace("\0", " ").strip()
        return text or None

    def whole(self, name: str) -> int | None:
        """A file's decimal whole number; None where it holds anything else."""
        text = self.text(name)
        return int(text) if text is not None and _NUMBER.fullmatch(text) else None

    def hexadecimal(self, name: str) -> int | None:
        """A file's hexadecimal number, with or without 0x; None where it holds anything else."""
        text = self.text(name)
        if text is None or not re.fullmatch(r"(0[xX])?[0-9a-fA-F]{1,16}", text):
            return None
        return int(text, 16)

    def names(self, folder: str, pattern: str = "*") -> list[str]:
        """Paths (as given, not under the root) of a folder's entries, in natural order; [] where unknown."""
        base = folder.rstrip("/")
        try:
            here = self.path(base)
            found = [f"{base}/{path.relative_to(here)}" for path in here.glob(pattern)]
        except PermissionError:
            self.denied.append(folder)
            return []
        except OSError:
            return []
        return sorted(found, key=_natural)

    def exists(self, name: str) -> bool:
        """Whether something is there."""
        try:
            return self.path(name).exists()
        except OSError:
            return False

    def link_name(self, name: str) -> str | None:
        """Last part of where a symbolic link points."""
        target = self.link(name)
        return target.rsplit("/", 1)[-1] if target else None

    def link(self, name: str) -> str | None:
        """Where a symbolic link points, as written in it."""
        try:
            return str(self.path(name).readlink())
        except (OSError, ValueError):
            return None


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
