"""The one writer of bundle.json: a folder or a .zip, whole or not at all, with this machine's golden answers.

    bundle, content = compose(about, {"onnx": Model({".onnx": network}, "float32")})
    bundle = write(out, bundle, content)

What was written is read back by ``edge.bundle`` before it counts as written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge import bundle as bundles
from edge.bundle import MANIFEST, Bundle
from edge.bundle_files import golden
from edge.bundle_files.sections import EngineFiles, Layout, Scaling
from edge.engine import ModelFile
from edge.errors import BuildFailed, BundleInvalid, StorageFailed, UsageError
from edge.files import reason, write_bytes, write_folder

EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's earliest date: the same content gives the same file
# A list of numbers, which indented JSON spreads over as many lines.
_NUMBERS = re.compile(r"\[\n([-+.e\d\s,]+)\]")


@dataclass(frozen=True)
class Model:
    """One engine's model on its way into a bundle. ``parts``: suffix -> content (".xml" and ".bin").

    ``temperature`` and ``scalings`` were fitted on its logits: see ``EngineFiles``.
    """

    parts: Mapping[str, bytes]
    precision: str
    layout: Layout = "NCHW"
    temperature: float | None = None
    scalings: Mapping[str, Scaling] = field(default_factory=dict)


def refuse_output(out: Path) -> None:
    """Raise UsageError where ``out`` holds something that is no bundle and so must not be replaced."""
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise UsageError(f"'{out}' is a folder of other things: give another --out, or empty it")
    if out.exists() and not out.is_dir() and out.suffix != ".zip":
        raise UsageError(f"'{out}' is a file: give a folder or a .zip")


def compose(about: Bundle, models: Mapping[str, Model]) -> tuple[Bundle, dict[str, bytes]]:
    """The bundle with these models in the place of its files, and the files (name -> content).

    Each model answers for ``golden``'s faces, which is what another machine is held against. Raises
    EngineError and ModelMismatch.
    """
    content: dict[str, bytes] = {}
    entries: dict[str, EngineFiles] = {}
    for engine, model in models.items():
        named = {f"model{suffix}": part for suffix, part in model.parts.items()}
        content.update(named)
        digests = {name: hashlib.sha256(part).hexdigest() for name, part in named.items()}
        entries[engine] = EngineFiles(
            digests, model.precision, model.layout, model.temperature, model.scalings
        )
    bundle = dataclasses.replace(about, files=entries)
    # Golden answers are weights of labels, to drawn faces.
    for engine, model in models.items() if bundle.kind == "expression" else ():
        taken = golden.take(bundle, engine, ModelFile(f"{bundle.name}/{engine}", model.parts))
        entries[engine] = dataclasses.replace(entries[engine], golden=taken)
    return dataclasses.replace(bundle, files=dict(entries)), content


def manifest(bundle: Bundle) -> bytes:
    """bundle.json of ``bundle``."""
    table = dataclasses.asdict(bundle)
    del table["path"]
    # What is not known is left out, for runtimes that know not of it.
    for key in ("spot", "calm"):
        if not table[key]:
            del table[key]
    if math.isinf(table["doubt"]["turn"]):
        del table["doubt"]["turn"]
    table["accuracy"] = [
        {key: value for key, value in record.items() if value is not None} for record in table["accuracy"]
    ]
    if bundle.schema == 1:
        for key in bundles.SINCE_2:
            table.pop(key, None)
        for key in ("prepare", "width"):
            del table["input"][key]
    text = json.dumps({"schema": bundle.schema, **table}, indent=2, allow_nan=False)
    return (_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n").encode()


def write(out: Path, bundle: Bundle, content: Mapping[str, bytes]) -> Bundle:
    """Write bundle.json and the files as a folder, or as one file where ``out`` ends in .zip; read it back.

    ``content`` may hold more than the models: recipes, a record, a card. A bundle that stood there is
    replaced once the new one is whole. Raises BuildFailed, StorageFailed and UsageError.
    """
    refuse_output(out)
    for name, digest in (part for entry in bundle.files.values() for part in entry.parts.items()):
        if hashlib.sha256(content.get(name, b"")).hexdigest() != digest:
            raise BuildFailed(f"'{name}' is not the file that its sha256 in {MANIFEST} was taken of")
    everything = {**content, MANIFEST: manifest(bundle)}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".zip":
            write_bytes(out, _zipped(everything))
        else:
            write_folder(out, everything)
    except StorageFailed:
        raise
    except OSError as error:
        raise StorageFailed(f"cannot write '{out}': {reason(error)}") from error
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
