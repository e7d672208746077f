"""``ferlite quantize sign``: folders and zips, versions that rise, digests that are checked first."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from edge import bundle as bundles
from edge.errors import BundleInvalid, UsageError

pytest.importorskip("cryptography", reason="signatures need cryptography: pip install 'ferlite[sign]'")

from edge.bundle_files.signature import MAKE_KEYS
from quantize import cli
from quantize.proof.sign import sign


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """private.pem and public.pem in the folder where the test is."""
    monkeypatch.setenv("FERLITE_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(["sh", "-ec", MAKE_KEYS], check=True, capture_output=True)


def test_a_folder_and_a_zip_are_signed_and_checked(
    make_bundle: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_bundle()
    archive = shutil.make_archive("bundle", "zip", folder)
    for where in (str(folder), archive):
        order = ["sign", where, "--key", "private.pem", "--expires", "2999-12-31", "--json"]
        assert cli.main(order) == 0
        assert json.loads(capsys.readouterr().out)["version"] == 1
        assert cli.main(["sign", where, "--key", "private.pem"]) == 0
        assert "is signed as version 2 with the key" in capsys.readouterr().out
        bundles.load(where, Path("public.pem")).verify()


def test_what_must_not_be_signed(
    make_bundle: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_bundle()
    sign(str(folder), Path("private.pem"), 7, None)
    with pytest.raises(UsageError, match="is signed as version 7: give a higher --version"):
        sign(str(folder), Path("private.pem"), 7, None)
    with pytest.raises(UsageError, match="which has passed"):
        sign(str(folder), Path("private.pem"), 8, date(2020, 1, 1))
    assert cli.main(["sign", str(folder), "--key", "private.pem", "--expires", "soon"]) == 2
    assert "must be a date as in 2027-06-30" in capsys.readouterr().err
    (folder / "bundle.sig").write_text("{")
    with pytest.raises(UsageError, match="is damaged: remove it first"):
        sign(str(folder), Path("private.pem"), None, None)
    (folder / "tiny.onnx").write_bytes(b"x")
    with pytest.raises(BundleInvalid, match="is not the file its sha256 was taken of"):
        sign(str(folder), Path("private.pem"), None, None)
