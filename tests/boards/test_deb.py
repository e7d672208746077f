"""The package: built by dpkg-deb, the same to the byte, installed by dpkg into a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from boards import deb, flash
from boards.payload import Payload
from tests.boards import tiny
from tests.boards.test_install import says

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg-deb")


@pytest.fixture
def payload(tmp_path: Path, pip_wheel: Path) -> Payload:
    return tiny.make(tmp_path / "one", "1.0", pip=pip_wheel)


def field(path: Path, name: str) -> str:
    return subprocess.run(
        ["dpkg-deb", "--field", str(path), name], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_what_is_in_it(payload: Payload, tmp_path: Path) -> None:
    path = deb.build(payload, tmp_path)
    arch = deb.ARCHITECTURES[tiny.target().arch]
    assert path.name == f"ferlite_1.0+{payload.id}_{arch}.deb"
    assert field(path, "Architecture") == arch
    python = tiny.target().python
    minor = int(python.split(".")[1])
    assert f"python3 (>= {python}), python3 (<< 3.{minor + 1}~)" in field(path, "Depends")
    listing = subprocess.run(["dpkg-deb", "-c", path], capture_output=True, text=True, check=True).stdout
    for name in payload.files:
        assert f"./usr/lib/ferlite/payload/{name}" in listing
    assert all(" root/root " in line for line in listing.splitlines())


def test_the_same_payload_gives_the_same_package(payload: Payload, tmp_path: Path) -> None:
    first = deb.build(payload, tmp_path / "a.deb")
    for path in payload.files.values():
        os.utime(path)
    assert flash.sha256(first) == flash.sha256(deb.build(payload, tmp_path / "b.deb"))
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.skipif(os.geteuid() != 0, reason="dpkg installs as root only")
def test_dpkg_installs_and_removes_it_below_a_folder(payload: Payload, tmp_path: Path) -> None:
    path, root = deb.build(payload, tmp_path), tmp_path / "root"
    (root / "var/lib/dpkg/updates").mkdir(parents=True)
    (root / "var/lib/dpkg/info").mkdir()
    (root / "var/lib/dpkg/status").touch()
    dpkg = ["dpkg", f"--root={root}", "--force-script-chrootless", "--force-depends"]
    done = subprocess.run([*dpkg, "--install", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert says(root) == "ferlite 1.0"
    subprocess.run([*dpkg, "--remove", "ferlite"], capture_output=True, check=True)
    assert not (root / "opt/ferlite").exists()
    assert not (root / "etc/systemd/system/ferlite.service").is_symlink()


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck")
@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_the_maintainer_scripts_are_plain_shell(script: str, payload: Payload, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--control", deb.build(payload, tmp_path), tmp_path / "control"], check=True)
    subprocess.run(["shellcheck", tmp_path / "control" / script], check=True)
