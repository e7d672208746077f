"""A model bundle: a folder or .zip with bundle.json beside the weights.

bundle.json says everything a runtime must not guess: the order of the classes, what the network expects
to see, how a face is cut out, how far its weights can be believed, and the sha256 of every file. A file is
read once, its digest is checked, and those very bytes go to the engine.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from edge import priors, strict
from edge.bundle_files.sections import (
    AccuracyRecord,
    CropRule,
    DoubtRule,
    EngineFiles,
    Extra,
    InputSpec,
    Kind,
    Scaling,
    SpotRule,
    check,
)
from edge.engine import ModelFile
from edge.errors import BundleInvalid, FerliteError, SignatureRefused, UsageError
from edge.files import parse_json
from edge.priors import Prior
from edge.strict import shown

SCHEMAS = (1, 2)
# What only the second schema says: a bundle that says none of it is written in the first, for old runtimes.
SINCE_2 = ("kind", "extras", "reliability", "spot")
MANIFEST = "bundle.json"
LARGEST_FILE = 512 * 2**20
SHIPPED = Path(__file__).parent.parent / "bundles"
DEFAULT = "mobilenetv2"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose bundle.json was read and found in order; weights are read by ``model``.

    ``priors``: how common each label is taken to be, in shares by name (``edge.priors``), and ``prior`` the
    name of the one that holds unless another is asked for. ``learnt_prior`` is the one that the network's
    logits still have in them; empty: none, it learnt evidence alone. ``sharpness``: by prior, what divides
    the temperature where those who labelled are less sure than others (none: 1). ``temperature`` is for
    engines that have none of their own. ``accuracy`` holds the measured records and ``made_by`` the
    recipes. ``kind``: what its network tells; ``extras``: what it is told beside the face. ``reliability``:
    of a voice's, how often "voice" and "face" are each right in a label that they name, by which readings
    of both are joined. ``spot``: how what a spotter's network tells is read. ``calm``: the mean logits of
    calm faces, less their mean, by label, which a person's profile is held against; empty: not known. Bundles
    of before priors were kept apart have ``scalings`` per engine, by annotators, instead.
    """

    path: Path
    name: str
    description: str
    labels: tuple[str, ...]
    input: InputSpec
    crop: CropRule
    temperature: float
    doubt: DoubtRule
    files: Mapping[str, EngineFiles]
    prior: str = ""
    priors: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    learnt_prior: tuple[float, ...] = ()
    sharpness: Mapping[str, float] = field(default_factory=dict)
    accuracy: tuple[AccuracyRecord, ...] = ()
    made_by: Mapping[str, Any] = field(default_factory=dict)
    kind: Kind = "expression"
    extras: tuple[Extra, ...] = ()
    reliability: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    spot: SpotRule | None = None
    calm: Mapping[str, float] = field(default_factory=dict)

    @property
    def schema(self) -> int:
        """The oldest schema of bundle.json that says all of it."""
        later = self.extras or self.reliability or self.spot or self.input.prepare or self.input.width
        return 2 if self.kind != "expression" or later else 1

    def scaling_of(self, engine: str, prior: Prior = "") -> Scaling:
        """How the logits of the engine's model become weights under ``prior`` ("": the bundle's own).

        Raises UsageError for a prior that it does not have, or that is none.
        """
        files = self.files.get(engine)
        if not self.priors:
            return self._old_scaling(files, prior)
        return self.scaling_at((files and files.temperature) or self.temperature, prior)

    def scaling_at(self, temperature: float, prior: Prior = "") -> Scaling:
        """``scaling_of`` for logits whose temperature this is. Raises UsageError."""
        named = prior or self.prior
        sharpness = self.sharpness.get(named, 1.0) if isinstance(named, str) else 1.0
        return Scaling.of_prior(temperature / sharpness, self.shares(prior), self.learnt_prior)

    def shares(self, prior: Prior = "") -> tuple[float, ...]:
        """The shares, one per label and summing to 1, that ``prior`` means here. Raises UsageError."""
        if not isinstance(prior, str):
            return priors.shares(prior, self.labels)
        if priors.is_file(prior):
            return priors.shares(priors.read(prior), self.labels, f"prior '{prior}'")
        if prior and prior not in self.priors:
            raise UsageError(
                f"bundle '{self.path}' has no prior '{prior}': "
                f"give one of {', '.join(self.priors)}, or a .json file"
            )
        return self.priors[prior or self.prior]

    def _old_scaling(self, files: EngineFiles | None, prior: Prior) -> Scaling:
        there = files.scalings if files else {}
        if prior and (not isinstance(prior, str) or prior not in there):
            raise UsageError(
                f"bundle '{self.path}' was made before priors were kept apart from what a face shows: "
                f"it has {', '.join(there) or 'none to choose from'}; build it again for others"
            )
        own = there.get(str(prior or self.prior))
        return own or Scaling.of_temperature(self.temperature, len(self.labels))

    def model(self, engine: str) -> ModelFile:
        """The engine's files, each read once and checked. Raises BundleInvalid."""
        if engine not in self.files:
            raise BundleInvalid(
                f"bundle '{self.path}' has no file for engine '{engine}': it has {', '.join(self.files)}"
            )
        parts = {}
        for name, digest in self.files[engine].parts.items():
            content = read_file(self.path, name)
            if hashlib.sha256(content).hexdigest() != digest:
                raise BundleInvalid(f"bundle '{self.path}': '{name}' is not the file its sha256 was taken of")
            parts[PurePosixPath(name).suffix] = content
        return ModelFile(f"{self.name}/{engine}", parts)

    def verify(self) -> None:
        """Check every file's digest. Raises BundleInvalid."""
        for engine in self.files:
            self.model(engine)


def load(where: str | Path = "", trusted: Path | None = None) -> Bundle:
    """Read a bundle's bundle.json from a folder, a .zip or the name of a shipped bundle.

    ``trusted``: the public key that must have signed it (see signature.py). Raises BundleInvalid: unknown or
    missing key, wrong value, unreadable file; SignatureRefused; UsageError for the key.
    """
    path = _find(str(where) or DEFAULT)
    content = read_file(path, MANIFEST)
    if trusted is not None:
        _check_signature(path, content, trusted)
    table = parse_json(content, f"bundle '{path}': {MANIFEST}", BundleInvalid)
    try:
        return _parse(table, path)
    except BundleInvalid as error:
        raise BundleInvalid(f"bundle '{path}': {error}") from error


def _check_signature(path: Path, content: bytes, trusted: Path) -> None:
    from edge.bundle_files import signature

    if not has_file(path, signature.SIGNATURE):
        raise SignatureRefused(f"bundle '{path}' is not signed: it has no {signature.SIGNATURE}")
    try:
        signature.check(content, read_file(path, signature.SIGNATURE), trusted)
    except SignatureRefused as error:
        raise SignatureRefused(f"bundle '{path}' is refused: {error}") from error


def shipped(kind: Kind = "expression") -> list[str]:
    """Names of the bundles of a kind that come with ferlite."""
    return [name for name in _shipped() if _kind_of(SHIPPED / name) == kind]


def _shipped() -> list[str]:
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST}"))


def _kind_of(path: Path) -> str:
    """What a bundle is of, so far as can be told without loading it."""
    with suppress(FerliteError):
        table = parse_json(read_file(path, MANIFEST), str(path), BundleInvalid)
        return str(table.get("kind", "expression")) if isinstance(table, dict) else ""
    return ""


def files_of(where: str | Path) -> list[Path]:
    """The files that a bundle is read from, over which nothing may be written; [] where there is none."""
    try:
        path = _find(str(where) or DEFAULT)
    except BundleInvalid:
        return []
    if not path.is_dir():
        return [path]
    if not (path / MANIFEST).exists():
        return []
    names = [MANIFEST, "bundle.sig"]  # bundle_files/signature.py, which this loads only where it is needed
    with suppress(FerliteError):
        names += [name for files in load(path).files.values() for name in files.parts]
    return [path / name for name in names]


def _find(where: str) -> Path:
    path = Path(where)
    if path.exists():
        return path
    if where in _shipped():
        return SHIPPED / where
    raise BundleInvalid(
        f"no bundle '{where}': give a folder, a .zip or one of {', '.join(_shipped()) or 'none shipped'}"
    )


def _parse(table: Any, path: Path) -> Bundle:
    if not isinstance(table, dict):
        raise BundleInvalid(f"{MANIFEST} must be an object")
    schema = table.pop("schema", None)
    # A true is a 1 to Python.
    if schema not in SCHEMAS or isinstance(schema, bool):
        raise BundleInvalid(
            f"schema {shown(schema)} is not {' or '.join(map(str, SCHEMAS))}: "
            "this ferlite is too old or the file is damaged"
        )
    later = [key for key in SINCE_2 if key in table and schema == 1]
    if later:
        raise BundleInvalid(f"'{later[0]}' needs schema 2, and this is schema 1")
    # What named the scaling to follow before priors were kept apart.
    if "annotators" in table and "prior" not in table:
        table["prior"] = table.pop("annotators")
    bundle = strict.fill(Bundle, table, "", BundleInvalid, path=path)
    _check(bundle)
    return bundle


def _check(bundle: Bundle) -> None:
    """Raise BundleInvalid for what each key may say, but all of them together may not."""
    labels, temperature = bundle.labels, bundle.temperature
    different = len(set(labels)) == len(labels)
    if bundle.kind != "landmarks":
        check(len(labels) > 1 and different, "labels", labels, "two or more different words")
    else:
        check(not labels, "labels", labels, f"empty in a bundle of kind {bundle.kind}")
    calm = all(map(math.isfinite, bundle.calm.values())) and set(bundle.calm) in (set(), set(labels))
    check(calm, "calm", bundle.calm, "a number for every label")
    spots = (bundle.kind == "spotter") == (bundle.spot is not None)
    check(spots, "spot", bundle.spot, "there in a bundle of kind spotter, and in no other")
    names = [extra.name for extra in bundle.extras]
    check(len(set(names)) == len(names), "extras", names, "extras of different names")
    check(0 < temperature < float("inf"), "temperature", temperature, "a number above 0")
    check(len(bundle.files) > 0, "files", bundle.files, "engine: files")
    for engine, entry in bundle.files.items():
        for name, scaling in entry.scalings.items():
            where = f"files.{engine}.scalings.{name}"
            check(
                len(scaling.scale) == len(labels), where, scaling.scale, f"a number per label, {len(labels)}"
            )
        if entry.golden and any(len(row) != len(labels) for row in entry.golden.weights):
            raise BundleInvalid(
                f"files.{engine}.golden: 'weights' must have a number per label, {len(labels)} a row"
            )
    for name, shares in (*bundle.priors.items(), ("learnt_prior", bundle.learnt_prior or None)):
        good = shares is None or (len(shares) == len(labels) and min(shares) >= 0 and 0 < sum(shares) < 1.001)
        check(good, name, shares, f"a share per label, {len(labels)}, summing to 1")
    for name, factor in bundle.sharpness.items():
        check(0 < factor < float("inf"), f"sharpness.{name}", factor, "a number above 0")
    _check_chosen(bundle)


def _check_chosen(bundle: Bundle) -> None:
    """Raise BundleInvalid where the prior that is to hold is not there."""
    if bundle.priors:
        check(bundle.prior in bundle.priors, "prior", bundle.prior, f"one of {', '.join(bundle.priors)}")
        return
    scaled = [engine for engine, entry in bundle.files.items() if entry.scalings]
    for engine in scaled or bundle.files:
        if bundle.prior and bundle.prior not in bundle.files[engine].scalings:
            raise BundleInvalid(
                f"'annotators' is '{bundle.prior}', and 'files.{engine}' has no scaling of theirs"
            )


def has_file(bundle: Path, name: str) -> bool:
    """Whether the folder or .zip has a file of this name. Raises BundleInvalid for a .zip that is none."""
    if bundle.is_dir():
        return (bundle / name).exists()
    try:
        with zipfile.ZipFile(bundle) as archive:
            return name in archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BundleInvalid(f"bundle '{bundle}' cannot be read: {error}") from error


def read_file(bundle: Path, name: str) -> bytes:
    """One file's bytes, from inside the bundle and nowhere else. Raises BundleInvalid."""
    try:
        if bundle.is_dir():
            file = (bundle / name).resolve()
            if bundle.resolve() not in file.parents:
                raise BundleInvalid(f"bundle '{bundle}': '{name}' leads out of the bundle")
            if file.stat().st_size > LARGEST_FILE:
                raise BundleInvalid(f"bundle '{bundle}': '{name}' is over {LARGEST_FILE >> 20} MiB")
            return file.read_bytes()
        with zipfile.ZipFile(bundle) as archive:
            if archive.getinfo(name).file_size > LARGEST_FILE:
                raise BundleInvalid(f"bundle '{bundle}': '{name}' is over {LARGEST_FILE >> 20} MiB")
            with archive.open(name) as file_in_zip:
                # A header can lie about the size: never read more than allowed.
                return file_in_zip.read(LARGEST_FILE)
    except (FileNotFoundError, KeyError) as error:
        raise BundleInvalid(f"bundle '{bundle}' has no file '{name}'") from error
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        if isinstance(error, BundleInvalid):
            raise
        raise BundleInvalid(f"bundle '{bundle}': cannot read '{name}': {error}") from error
