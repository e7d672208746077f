"""A bundle's signature, written beside its bundle.json: edge/bundle_files/signature.py says what it holds."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import date
from pathlib import Path

from edge import bundle as bundles
from edge.bundle import MANIFEST, Bundle
from edge.bundle_files import signature
from edge.bundle_files.signature import SIGNATURE, Signed
from edge.bundle_files.writer import EPOCH
from edge.errors import UsageError
from edge.files import write_bytes


def sign(where: str, private: Path, version: int | None, expires: date | None) -> Signed:
    """Sign a bundle, a folder or a .zip, having checked every file's digest.

    ``version`` None: one more than the signature that is there, else 1. Raises FerliteError.
    """
    bundle = bundles.load(where)
    bundle.verify()
    before = _there(bundle)
    if version is None:
        version = before + 1
    if version <= before:
        raise UsageError(f"'{where}' is signed as version {before}: give a higher --version")
    if expires is not None and expires < date.today():
        raise UsageError(f"--expires is {expires}, which has passed")
    content = signature.sign(bundles.read_file(bundle.path, MANIFEST), private, version, expires)
    if bundle.path.is_dir():
        write_bytes(bundle.path / SIGNATURE, content)
    else:
        write_bytes(bundle.path, _zip_with(bundle.path, content))
    return Signed(**json.loads(content))


def _there(bundle: Bundle) -> int:
    """The version that the bundle is signed as, 0 where it is not."""
    if not bundles.has_file(bundle.path, SIGNATURE):
        return 0
    try:
        return int(json.loads(bundles.read_file(bundle.path, SIGNATURE))["version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"the {SIGNATURE} in '{bundle.path}' is damaged: remove it first") from error


def _zip_with(path: Path, content: bytes) -> bytes:
    """The .zip with this signature in the place of an older one."""
    made = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w") as new:
        for item in old.infolist():
            if item.filename != SIGNATURE:
                new.writestr(item, old.read(item))
        new.writestr(zipfile.ZipInfo(SIGNATURE, EPOCH), content)
    return made.getvalue()
