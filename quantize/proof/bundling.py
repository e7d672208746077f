"""Write a bundle: bundle.json in ``edge``'s schema beside the weights, whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import faces
from edge import bundle as bundles
from edge import golden, strict
from edge.bundle import Bundle
from edge.bundle_sections import CropRule, DoubtRule, EngineFiles, Scaling
from edge.engine import ModelFile
from edge.errors import BuildFailed, BundleInvalid, DataInvalid, StorageFailed, UsageError
from edge.files import read_json, write_bytes, write_folder
from quantize.builder import Built

CROPS = Path(faces.__file__).parent / "crops"
# A list of numbers, which indented JSON spreads over as many lines.
_NUMBERS = re.compile(r"\[\n([-+.e\d\s,]+)\]")
EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's earliest date: the same content gives the same file


@dataclass(frozen=True)
class Framing:
    """How a face of this data set is cut out, and when its reading is to be doubted."""

    crop: CropRule
    doubt: DoubtRule


def read_framing(name_or_path: str) -> Framing:
    """The sections ``crop`` and ``doubt`` of a .json file, or of the built-in one for a data set.

    Raises DataInvalid.
    """
    path = Path(name_or_path) if name_or_path.endswith(".json") else CROPS / f"{name_or_path}.json"
    try:
        table = read_json(path)
        crop, doubt = table["crop"], table["doubt"]
    except (KeyError, TypeError) as error:
        raise DataInvalid(f"crop rule '{path}' needs the sections crop and doubt of bundle.json") from error
    return strict.fill(Framing, {"crop": crop, "doubt": doubt}, f"crop rule '{path}'", DataInvalid)


def engine_files(
    models: Mapping[str, Built], scalings: Mapping[str, Mapping[str, Scaling]]
) -> tuple[dict[str, EngineFiles], dict[str, bytes]]:
    """What bundle.json says of the engines' models, and the files themselves (name -> content)."""
    entries, content = {}, {}
    for engine, built in models.items():
        named = {f"model{suffix}": part for suffix, part in built.parts.items()}
        content.update(named)
        digests = {name: hashlib.sha256(part).hexdigest() for name, part in named.items()}
        entries[engine] = EngineFiles(digests, built.precision, built.layout, scalings=scalings[engine])
    return entries, content


def with_golden(bundle: Bundle, content: Mapping[str, bytes]) -> Bundle:
    """The bundle with this machine's golden answers of every engine; ``content``: file name -> bytes.

    Raises EngineError and ModelMismatch.
    """
    files = {}
    for engine, entry in bundle.files.items():
        parts = {Path(name).suffix: content[name] for name in entry.parts}
        taken = golden.take(bundle, engine, ModelFile(f"{bundle.name}/{engine}", parts))
        files[engine] = dataclasses.replace(entry, golden=taken)
    return dataclasses.replace(bundle, files=files)


def manifest(bundle: Bundle) -> bytes:
    """bundle.json of ``bundle``."""
    table = dataclasses.asdict(bundle)
    del table["path"]
    if math.isinf(table["doubt"]["turn"]):
        del table["doubt"]["turn"]
    text = json.dumps({"schema": bundles.SCHEMA, **table}, indent=2, allow_nan=False)
    return (_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n").encode()


def refuse_output(out: Path) -> None:
    """Raise UsageError where ``out`` holds something that is no bundle and so must not be replaced."""
    if out.is_dir() and any(out.iterdir()) and not (out / bundles.MANIFEST).is_file():
        raise UsageError(f"'{out}' is a folder of other things: give another -o, or empty it")
    if out.is_file() and out.suffix != ".zip":
        raise UsageError(f"'{out}' is a file: give a folder or a .zip")


def write(out: Path, content: Mapping[str, bytes]) -> Bundle:
    """Write the files as a folder, or as one file where ``out`` ends in .zip, and read the bundle back.

    Raises BuildFailed and StorageFailed.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".zip":
            write_bytes(out, _zipped(content))
        else:
            write_folder(out, content)
    except OSError as error:
        raise StorageFailed(f"cannot write '{out}': {error.strerror or error}") from error
    try:
        written = bundles.load(out)
        written.verify()
    except BundleInvalid as error:
        raise BuildFailed(f"the bundle that was written does not load: {error}") from error
    return written


def _zipped(content: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(content.items()):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
