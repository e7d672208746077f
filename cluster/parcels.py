"""Files that every worker needs: found by their digest where they lie there already, sent once where not."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge import bundle as bundles
from edge.bundle import MANIFEST, Bundle, read_file
from edge.errors import BundleInvalid, DataInvalid, WorkerRefuses
from edge.files import reason, write_folder

FOLDER = "ferlite-parcels"


class LacksParcel(WorkerRefuses):
    """A worker has not got a file yet: it is to be sent there."""


@dataclass(frozen=True)
class Parcel:
    """A file, or what ``engine`` needs of a bundle, whose bundle.json then has the digests of all the rest.

    ``origin`` is where it lies on the machine that asks, and perhaps on the worker too; ``sha256`` that of
    the file, or of bundle.json; ``name`` the one it gets where it is sent.
    """

    origin: str
    sha256: str
    name: str
    engine: str = ""


@dataclass(frozen=True)
class Packed:
    """A parcel with its content, as it is sent."""

    parcel: Parcel
    content: bytes


def of_file(path: Path) -> Packed:
    """A single file. Raises DataInvalid."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataInvalid(f"cannot read '{path}': {reason(error)}") from error
    return Packed(Parcel(str(path.resolve()), hashlib.sha256(content).hexdigest(), path.name), content)


def of_bundle(bundle: Bundle, engine: str) -> Packed:
    """What one engine needs of a bundle, as a .zip. Raises BundleInvalid."""
    model = bundle.model(engine)
    manifest = read_file(bundle.path, MANIFEST)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(MANIFEST, manifest)
        for name, content in zip(bundle.files[engine].parts, model.parts.values(), strict=True):
            archive.writestr(name, content)
    digest = hashlib.sha256(manifest).hexdigest()
    return Packed(Parcel(str(bundle.path.resolve()), digest, "bundle.zip", engine), buffer.getvalue())


def find(parcel: Parcel, kept: Path) -> Path:
    """Where the parcel lies here: at its origin if that is the same, else where it was sent to.

    Raises LacksParcel.
    """
    for place in (Path(parcel.origin), kept / FOLDER / parcel.sha256 / parcel.name):
        if _is_at(place, parcel):
            return place
    raise LacksParcel(f"'{parcel.origin}' is not here yet")


def keep(parcels: Iterable[Packed], kept: Path) -> int:
    """Write below ``kept`` what is not here yet; how many that were. Raises WorkerRefuses."""
    count = 0
    for packed in parcels:
        try:
            find(packed.parcel, kept)
        except LacksParcel:
            count += 1
            try:
                write_folder(kept / FOLDER / packed.parcel.sha256, {packed.parcel.name: packed.content})
            except OSError as error:
                raise WorkerRefuses(f"cannot write to '{kept}': {reason(error)}") from error
    return count


def _is_at(place: Path, parcel: Parcel) -> bool:
    """Whether it lies there whole."""
    try:
        if not place.exists():
            return False
        if not parcel.engine:
            return hashlib.sha256(place.read_bytes()).hexdigest() == parcel.sha256
        if hashlib.sha256(read_file(place, MANIFEST)).hexdigest() != parcel.sha256:
            return False
        bundles.load(place).model(parcel.engine)
        return True
    except (OSError, BundleInvalid):
        return False
