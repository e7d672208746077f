"""Bundles that are signed, and all those that must be refused."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest

from edge import bundle as bundles
from edge.errors import BundleInvalid, SignatureRefused, UsageError

pytest.importorskip("cryptography", reason="signatures need cryptography: pip install 'ferlite[sign]'")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edge.bundle_files import signature
from edge.bundle_files.sections import Extra
from edge.engine import EngineOptions
from edge.extras.extra import Surroundings, source_class
from edge.moments.network import open_network
from edge.moments.rule import RuleSpotter
from edge.run import spotter_of
from edge.voice.reader import open_reader

MakeBundle = Callable[..., Path]


def keys(folder: Path, name: str = "key", kind: type = Ed25519PrivateKey) -> tuple[Path, Path]:
    """A private and a public key in PEM."""
    made = kind.generate()
    private, public = folder / f"{name}.private.pem", folder / f"{name}.pem"
    private.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERLITE_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def signed(make_bundle: MakeBundle, tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Makes a signed bundle and gives it with the public key."""
    private, public = keys(tmp_path)

    def make(version: int = 1, expires: date | None = None, name: str = "bundle") -> tuple[Path, Path]:
        bundle = tmp_path / name
        bundle = bundle if bundle.exists() else make_bundle(name=name)
        content = (bundle / "bundle.json").read_bytes()
        (bundle / "bundle.sig").write_bytes(signature.sign(content, private, version, expires))
        return bundle, public

    return make


def test_a_signed_bundle_is_loaded_and_an_unsigned_one_is_not(
    signed: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    bundle, public = signed()
    loaded = bundles.load(bundle, public)
    loaded.verify()
    assert loaded.name == "tiny"
    (bundle / "bundle.sig").unlink()
    with pytest.raises(SignatureRefused, match="is not signed: it has no bundle.sig"):
        bundles.load(bundle, public)
    assert bundles.load(bundle).name == "tiny", "who asks for no signature needs none"


def test_another_key_is_refused(signed: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    bundle, _ = signed()
    _, other = keys(tmp_path, "other")
    with pytest.raises(SignatureRefused, match=r"signed with the key [0-9a-f]{16}, and '.*other.pem' is"):
        bundles.load(bundle, other)
    # The other key's name in the file does not make it the other key's signature.
    table = json.loads((bundle / "bundle.sig").read_bytes())
    table["key"] = signature._named(signature._public_key(other))
    (bundle / "bundle.sig").write_bytes(signature.Signed(**table).content())
    with pytest.raises(SignatureRefused, match="not the one that the key makes"):
        bundles.load(bundle, other)


def test_a_changed_bundle_is_refused(signed: Callable[..., tuple[Path, Path]]) -> None:
    bundle, public = signed()
    table = json.loads((bundle / "bundle.json").read_text())
    table["labels"] = table["labels"][::-1]
    (bundle / "bundle.json").write_text(json.dumps(table))
    with pytest.raises(SignatureRefused, match="its bundle.json is not the one that was signed"):
        bundles.load(bundle, public)


def test_an_expired_bundle_is_refused_and_its_last_day_is_a_good_one(
    signed: Callable[..., tuple[Path, Path]], memory: Path
) -> None:
    bundle, public = signed(expires=date(2027, 6, 30))
    content, sig = (bundle / "bundle.json").read_bytes(), (bundle / "bundle.sig").read_bytes()
    signature.check(content, sig, public, date(2027, 6, 30), memory)
    with pytest.raises(SignatureRefused, match="good until 2027-06-30, and today is 2027-07-01"):
        signature.check(content, sig, public, date(2027, 7, 1), memory)
    bundle, public = signed(version=2, expires=date(2020, 1, 1))
    with pytest.raises(SignatureRefused, match="is refused: its signature was good until 2020-01-01"):
        bundles.load(bundle, public)


def test_an_older_version_is_refused_once_a_newer_was_here(
    signed: Callable[..., tuple[Path, Path]], memory: Path
) -> None:
    bundle, public = signed(version=3)
    old = (bundle / "bundle.sig").read_bytes()
    bundles.load(bundle, public)
    signed(version=5)
    bundles.load(bundle, public)
    bundles.load(bundle, public)  # the same again
    (bundle / "bundle.sig").write_bytes(old)
    with pytest.raises(SignatureRefused, match="it is version 3, and version 5 was here before"):
        bundles.load(bundle, public)
    (memory / "signed-versions.json").write_text("[]")
    with pytest.raises(SignatureRefused, match="delete it to begin anew"):
        bundles.load(bundle, public)


def test_a_version_that_cannot_be_remembered_is_refused(
    signed: Callable[..., tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle, public = signed()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FERLITE_STATE", str(tmp_path / "file"))
    with pytest.raises(SignatureRefused, match="cannot be remembered .*: set FERLITE_STATE"):
        bundles.load(bundle, public)


def test_systemd_says_where_versions_are_remembered(
    signed: Callable[..., tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FERLITE_STATE")
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    bundle, public = signed()
    bundles.load(bundle, public)
    assert (tmp_path / "one" / "signed-versions.json").exists()


@pytest.mark.parametrize("content", ["", "{}", "[", "[" * 10_000, '{"schema": 1}', "null"])
def test_a_damaged_signature_is_one_sentence(signed: Callable[..., tuple[Path, Path]], content: str) -> None:
    bundle, public = signed()
    (bundle / "bundle.sig").write_text(content)
    with pytest.raises(SignatureRefused, match="its bundle.sig is damaged"):
        bundles.load(bundle, public)


def test_it_can_be_said_in_one_way_only(signed: Callable[..., tuple[Path, Path]]) -> None:
    bundle, public = signed()
    content = (bundle / "bundle.sig").read_bytes()
    table = json.loads(content)
    others = [
        content + b"\n",
        json.dumps(table).encode(),
        content.replace(table["signature"].encode(), table["signature"].upper().encode()),
        content.replace(b'"version": 1', b'"version": 1.0'),
    ]
    for other in others:
        (bundle / "bundle.sig").write_bytes(other)
        with pytest.raises(SignatureRefused, match="damaged"):
            bundles.load(bundle, public)


def test_no_single_bit_of_a_signed_bundle_can_change(signed: Callable[..., tuple[Path, Path]]) -> None:
    """A sample; benchmarks/bit_flips.py does 10,000 on a bundle that ships."""
    bundle, public = signed()
    dice = random.Random(1)
    files = [path for path in bundle.iterdir() if path.is_file()]
    for _ in range(400):
        file = dice.choice(files)
        good = file.read_bytes()
        bit = dice.randrange(8 * len(good))
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        file.write_bytes(bad)
        with pytest.raises(BundleInvalid):
            bundles.load(bundle, public).verify()
        file.write_bytes(good)
    bundles.load(bundle, public).verify()


def test_keys_that_are_none(signed: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    bundle, public = signed()
    private, _ = keys(tmp_path, "x", X25519PrivateKey)
    content = (bundle / "bundle.json").read_bytes()
    with pytest.raises(UsageError, match="another kind than Ed25519"):
        signature.sign(content, private, 1)
    with pytest.raises(UsageError, match="no private key in PEM"):
        signature.sign(content, public, 1)
    with pytest.raises(UsageError, match="no public key in PEM"):
        bundles.load(bundle, private)
    with pytest.raises(UsageError, match="cannot read the key"):
        bundles.load(bundle, tmp_path / "nowhere.pem")


def test_the_keys_that_openssl_makes_will_do(make_bundle: MakeBundle, tmp_path: Path) -> None:
    try:
        subprocess.run(["sh", "-ec", signature.MAKE_KEYS], cwd=tmp_path, check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"openssl cannot: {error.stderr!r}")
    bundle = make_bundle()
    content = (bundle / "bundle.json").read_bytes()
    (bundle / "bundle.sig").write_bytes(signature.sign(content, tmp_path / "private.pem", 1))
    bundles.load(bundle, tmp_path / "public.pem")


def test_bundles_that_run_beside_another_must_be_signed_too(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    _, public = keys(tmp_path)
    wanted = Extra("regions", "regions", (6, 3, 3), (0.0,))
    beside = Surroundings(bundles.load(), "onnx", EngineOptions(threads=1), trusted=public)
    for opened in (
        lambda: open_reader("", "onnx", public),
        lambda: open_network("", "onnx", 1, public),
        lambda: source_class("regions")(wanted, beside),
    ):
        with pytest.raises(SignatureRefused):
            opened()
    with ExitStack() as finish:
        assert spotter_of("", finish, trusted=public) is RuleSpotter
