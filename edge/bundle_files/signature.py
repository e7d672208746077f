"""A bundle's signature: that its maker released it, that its date is not over, that no newer one was here.

bundle.sig stands beside bundle.json, which has the digest of every other file. There is one way only to write
what it says: one that could be written differently and mean the same is refused, so that no bit can change.

    {"bundle_sha256": ..., "expires": "2027-06-30" or null, "key": ..., "name": ..., "schema": 1,
     "signature": ..., "version": 7}

``signature`` is Ed25519 (RFC 8032), in hex, over what stands there without it; ``key`` names the public key
by its sha256. The highest version seen is remembered for each key and name, and a lower one refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timezone
from pathlib import Path

from edge import strict
from edge.errors import SignatureRefused, StorageFailed, UsageError
from edge.files import read_json, reason, write_json

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
        load_pem_public_key,
    )
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("cryptography", "cffi", "_cffi_backend"):
        raise
    raise UsageError("signatures need the cryptography package: pip install 'ferlite[sign]'") from error

SCHEMA = 1
SIGNATURE = "bundle.sig"
LARGEST = 1 << 14  # bytes of a signature's file or a key's
MAKE_KEYS = (
    "openssl genpkey -algorithm ed25519 -out private.pem; "
    "openssl pkey -in private.pem -pubout -out public.pem"
)
_PURPOSE = b"ferlite bundle signature 1\n"  # so that it counts for nothing else that the key may sign
_SEEN = "signed-versions.json"


@dataclass(frozen=True)
class Signed:
    """What bundle.sig says."""

    schema: int
    name: str
    version: int
    expires: str | None
    bundle_sha256: str
    key: str
    signature: str = ""

    def content(self) -> bytes:
        """The file's bytes, the only ones that say this."""
        return (json.dumps(asdict(self), sort_keys=True, indent=1) + "\n").encode()

    def message(self) -> bytes:
        """What is signed."""
        return _PURPOSE + replace(self, signature="").content()


def sign(manifest: bytes, private: Path, version: int, expires: date | None = None) -> bytes:
    """bundle.sig for this content of bundle.json. Raises UsageError."""
    text = _read(private)
    try:
        key = load_pem_private_key(text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"'{private}' is no private key in PEM without a password: {MAKE_KEYS}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"'{private}' is a key of another kind than Ed25519: {MAKE_KEYS}")
    signed = Signed(
        schema=SCHEMA,
        name=str(json.loads(manifest)["name"]),
        version=version,
        expires=expires.isoformat() if expires else None,
        bundle_sha256=hashlib.sha256(manifest).hexdigest(),
        key=_named(key.public_key()),
    )
    return replace(signed, signature=key.sign(signed.message()).hex()).content()


def check(
    manifest: bytes, signature: bytes, public: Path, today: date | None = None, memory: Path | None = None
) -> Signed:
    """What the signature says of this content of bundle.json, all of it found in order.

    ``public`` is the trusted key in PEM. ``memory`` is the folder where versions are remembered
    ($FERLITE_STATE, $STATE_DIRECTORY, or ferlite in the user's state folder). Raises SignatureRefused, and
    UsageError for the key.
    """
    key = _public_key(public)
    signed = parse(signature)
    if signed.key != _named(key):
        raise SignatureRefused(f"signed with the key {signed.key[:16]}, and '{public}' is {_named(key)[:16]}")
    try:
        key.verify(bytes.fromhex(signed.signature), signed.message())
    except InvalidSignature as error:
        raise SignatureRefused(f"its signature in {SIGNATURE} is not the one that the key makes") from error
    if hashlib.sha256(manifest).hexdigest() != signed.bundle_sha256:
        raise SignatureRefused("its bundle.json is not the one that was signed")
    now = today or datetime.now(timezone.utc).date()
    if signed.expires and date.fromisoformat(signed.expires) < now:
        raise SignatureRefused(f"its signature was good until {signed.expires}, and today is {now}")
    _refuse_older(signed, _memory() if memory is None else memory)
    return signed


def parse(content: bytes) -> Signed:
    """What a signature's file says, unchecked but for its form. Raises SignatureRefused."""
    try:
        signed = strict.fill(Signed, json.loads(content[:LARGEST]), "", SignatureRefused)
        good = signed.content() == content and signed.schema == SCHEMA and signed.version >= 0
        if signed.expires is not None:
            date.fromisoformat(signed.expires)
        good = good and bytes.fromhex(signed.signature).hex() == signed.signature
    except (ValueError, RecursionError, SignatureRefused) as error:
        raise SignatureRefused(f"its {SIGNATURE} is damaged") from error
    if not good:
        raise SignatureRefused(f"its {SIGNATURE} is damaged, or of another schema than {SCHEMA}")
    return signed


def _refuse_older(signed: Signed, folder: Path) -> None:
    file, name = folder / _SEEN, f"{signed.key} {signed.name}"
    seen = read_json(file, SignatureRefused) if file.exists() else {}
    last = seen.get(name, -1) if isinstance(seen, dict) else None
    if not isinstance(last, int):
        raise SignatureRefused(
            f"'{file}' does not say which version was here before: delete it to begin anew"
        )
    if signed.version < last:
        raise SignatureRefused(f"it is version {signed.version}, and version {last} was here before")
    if signed.version == last:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(file, {**seen, name: signed.version})
    except (OSError, StorageFailed) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise SignatureRefused(
            f"its version cannot be remembered ({why}): set FERLITE_STATE to a folder that can be written"
        ) from error


def _memory() -> Path:
    own = os.environ.get("FERLITE_STATE") or os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if own:
        return Path(own)
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local/state")  # noqa: PTH111, PTH118
    return Path(home) / "ferlite"


def _public_key(file: Path) -> Ed25519PublicKey:
    text = _read(file)
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"'{file}' is no public key in PEM: {MAKE_KEYS}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"'{file}' is a key of another kind than Ed25519: {MAKE_KEYS}")
    return key


def _named(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST)
    except OSError as error:
        raise UsageError(f"cannot read the key '{file}': {reason(error)}") from error
