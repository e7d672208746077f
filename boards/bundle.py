"""The little of a model bundle that boards needs: which engines it serves, and the files to carry.

The runtime verifies and loads bundles; here bundle.json is read as data, since boards imports no runtime.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from boards.errors import BundleInvalid
from boards.profile import EngineName

_SUFFIXES: dict[str, EngineName] = {".onnx": "onnx", ".tflite": "tflite", ".xml": "openvino"}
_LARGEST = 256 << 20


@dataclass(frozen=True)
class Bundle:
    """A bundle's folder, its name, the engines it has a file for, and the paths of all of its files."""

    folder: Path
    name: str
    engines: tuple[EngineName, ...]
    files: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Digest over the names and contents of all files."""
        digest = hashlib.sha256()
        for name in self.files:
            content = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            digest.update(f"{content}  {name}\n".encode())
        return digest.hexdigest()


def read(folder: str | Path) -> Bundle:
    """Read a bundle's folder. Raises BundleInvalid."""
    base = Path(folder)
    table = _table(base)
    files = table.get("files")
    if not isinstance(files, dict) or not files:
        raise BundleInvalid(f"bundle '{base}': bundle.json has no 'files' table")
    engines = [engine for engine in map(_engine, files) if engine]
    if not engines:
        raise BundleInvalid(
            f"bundle '{base}': none of its files ({', '.join(sorted(files))}) is for an engine: "
            f"expected {', '.join(get_args(EngineName))}"
        )
    name = table.get("name")
    paths = tuple(_paths(base))
    _check_digests(base, files)
    return Bundle(base, name if isinstance(name, str) and name else base.resolve().name,
                  tuple(dict.fromkeys(engines)), paths)  # fmt: skip


def _table(base: Path) -> dict[str, object]:
    path = base / "bundle.json"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleInvalid(
            f"'{base}' is not a bundle: cannot read its bundle.json ({error.strerror})"
        ) from error
    except ValueError as error:
        raise BundleInvalid(f"bundle '{base}': bundle.json is not JSON: {error}") from error
    if not isinstance(table, dict):
        raise BundleInvalid(f"bundle '{base}': bundle.json is not a table")
    return table


def _engine(key: str) -> EngineName | None:
    """The engine a key of 'files' is for: its name, or the kind of file it names."""
    for name in get_args(EngineName):
        if key == name:
            return name  # type: ignore[no-any-return]
    return _SUFFIXES.get(Path(key).suffix)


def _paths(base: Path) -> list[str]:
    found = []
    for path in sorted(base.rglob("*")):
        name = path.relative_to(base).as_posix()
        if path.is_symlink():
            raise BundleInvalid(f"bundle '{base}': '{name}' is a link; a bundle holds plain files only")
        if path.is_file():
            if path.stat().st_size > _LARGEST:
                raise BundleInvalid(f"bundle '{base}': '{name}' is larger than {_LARGEST >> 20} MB")
            found.append(name)
    return found


def _check_digests(base: Path, files: dict[str, object]) -> None:
    """Compare the sha256 values that bundle.json gives, so that a damaged file does not travel."""
    for key, entry in files.items():
        table: dict[str, object] = entry if isinstance(entry, dict) else {"sha256": entry}
        digest = table.get("sha256")
        name = next((str(table[k]) for k in ("path", "file", "name") if isinstance(table.get(k), str)), key)
        if isinstance(entry, str) and not _is_digest(entry):
            name, digest = entry, None
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BundleInvalid(f"bundle '{base}': '{name}' leads out of the bundle")
        path = base / name
        if not path.is_file():
            raise BundleInvalid(f"bundle '{base}': its file '{name}' is missing")
        if _is_digest(digest) and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise BundleInvalid(f"bundle '{base}': '{name}' is damaged (its sha256 is not bundle.json's)")


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
