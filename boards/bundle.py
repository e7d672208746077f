"""The little of a model bundle that boards needs: which engines it serves, and the bytes to carry.

The runtime loads bundles; here bundle.json is read as data, since boards imports no runtime. Its ``files``
maps an engine to its ``parts``, and those a file name to the sha256 of its content.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import cast, get_args

from boards.engines import EngineName
from boards.errors import BundleInvalid
from edge.files import parse_json

MANIFEST = "bundle.json"
SHIPPED = Path(__file__).parent.parent / "bundles"
_LARGEST = 512 << 20


@dataclass(frozen=True)
class Bundle:
    """A bundle: where it was read, its name, its engines, and the verified content of each of its files.

    ``precisions`` says of an engine what its file computes in, where bundle.json tells.
    """

    where: str
    name: str
    engines: tuple[EngineName, ...]
    content: Mapping[str, bytes]
    precisions: Mapping[EngineName, str] = field(default_factory=dict)


def files_of(where: str | Path) -> list[Path]:
    """The files that a bundle is read from, over which nothing may be written; [] for a shipped name."""
    path = Path(where)
    if path.is_dir():
        return [each for each in path.rglob("*") if each.is_file()]
    return [path] if path.is_file() else []


def read(where: str | Path) -> Bundle:
    """Read a bundle from a folder, a .zip or by the name of a shipped one. Raises BundleInvalid."""
    path = _find(where)
    raw = _read(path, MANIFEST)
    table = parse_json(raw, f"bundle '{path}': {MANIFEST}", BundleInvalid)
    files = table.get("files") if isinstance(table, dict) else None
    if not isinstance(files, dict) or not files:
        raise BundleInvalid(f"bundle '{path}': {MANIFEST} has no 'files' table")
    known = get_args(EngineName)
    engines = [cast(EngineName, name) for name in files if name in known]
    if not engines:
        raise BundleInvalid(
            f"bundle '{path}': its files are for {', '.join(files)}, not for {', '.join(known)}"
        )
    content = {MANIFEST: raw}
    for engine in engines:
        content |= _parts(path, engine, files[engine])
    told = {engine: files[engine].get("precision") for engine in engines}
    precisions = {engine: word for engine, word in told.items() if isinstance(word, str)}
    return Bundle(str(path), str(table.get("name") or path.stem), tuple(engines), content, precisions)


def _find(where: str | Path) -> Path:
    path = Path(where)
    if path.exists():
        return path
    shipped = sorted(one.parent.name for one in SHIPPED.glob(f"*/{MANIFEST}"))
    if str(where) in shipped:
        return SHIPPED / str(where)
    choice = f", or one of {', '.join(shipped)}" if shipped else ""
    raise BundleInvalid(f"no bundle '{where}': give a bundle's folder or .zip{choice}")


def _parts(path: Path, engine: str, entry: object) -> dict[str, bytes]:
    parts = entry.get("parts") if isinstance(entry, dict) else None
    if not isinstance(parts, dict) or not parts:
        raise BundleInvalid(f"bundle '{path}': 'files.{engine}' has no 'parts'")
    content = {}
    for name, digest in parts.items():
        plain = PurePosixPath(name)
        if plain.is_absolute() or ".." in plain.parts or "\\" in name or not plain.parts:
            raise BundleInvalid(f"bundle '{path}': '{name}' leads out of the bundle")
        content[name] = _read(path, name)
        if hashlib.sha256(content[name]).hexdigest() != digest:
            raise BundleInvalid(
                f"bundle '{path}': '{name}' is damaged (its sha256 is not the one in {MANIFEST})"
            )
    return content


def _read(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            file = (path / name).resolve()
            if path.resolve() not in file.parents:
                raise BundleInvalid(f"bundle '{path}': '{name}' leads out of the bundle")
            if file.stat().st_size > _LARGEST:
                raise BundleInvalid(f"bundle '{path}': '{name}' is over {_LARGEST >> 20} MiB")
            return file.read_bytes()
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(name).file_size > _LARGEST:
                raise BundleInvalid(f"bundle '{path}': '{name}' is over {_LARGEST >> 20} MiB")
            return archive.read(name)
    except (FileNotFoundError, KeyError) as error:
        raise BundleInvalid(f"bundle '{path}' has no file '{name}'") from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise BundleInvalid(f"bundle '{path}': cannot read '{name}': {error}") from error
