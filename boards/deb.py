"""A .deb with the same payload, for boards that are set up with packages."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from boards import child
from boards.errors import PayloadInvalid, ToolMissing
from boards.fat_image import EPOCH
from boards.payload import Payload

ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}
STORE = "/usr/lib/ferlite/payload"

_CONTROL = """\
Package: ferlite
Version: {version}
Architecture: {arch}
Maintainer: ferlite contributors <ferlite@localhost>
Installed-Size: {size}
Depends: python3 (>= {python}), python3 (<< {next_python}), libc6 (>= {glibc})
Section: science
Priority: optional
Description: Facial-expression recognition for small computers
 Bundle {bundle} with the engine {engine}, for {board}. The wheels are inside: installing it needs no
 network.
"""
_POSTINST = f"""\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    store="$DPKG_ROOT{STORE}"
    python3 -I "$store/install.py" install --manifest "$store/manifest.json" --store "$store" \\
        --prefix "$DPKG_ROOT/"
fi
"""
_PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl stop ferlite.service ferlite-again.timer || true
fi
"""
_POSTRM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then
    rm -f "$DPKG_ROOT/etc/systemd/system/multi-user.target.wants/ferlite.service" \\
        "$DPKG_ROOT/etc/systemd/system/ferlite.service" "$DPKG_ROOT/etc/systemd/system/ferlite-again.timer"
    rm -rf "$DPKG_ROOT/opt/ferlite"
    if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
fi
"""


def build(payload: Payload, out: Path) -> Path:
    """Build the package; the same payload gives the same bytes. Raises PayloadInvalid, ToolMissing."""
    if not shutil.which("dpkg-deb"):
        raise ToolMissing("building a package needs dpkg-deb: sudo apt install dpkg")
    arch = ARCHITECTURES[payload.manifest["arch"]]
    if out.is_dir():
        out = out / f"ferlite_{version(payload)}_{arch}.deb"
    part = out.with_name(f".{out.name}.part")
    with tempfile.TemporaryDirectory(prefix="ferlite-deb-") as folder:
        root = Path(folder) / "root"
        _lay_out(payload, root, arch)
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(part)]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
        done = child.run(command, env=environment)
    if done.returncode:
        part.unlink(missing_ok=True)
        raise PayloadInvalid(f"cannot build '{out}': {child.last_line(done.stderr)}")
    part.replace(out)
    return out


def version(payload: Payload) -> str:
    """The package's version: ferlite's, and the payload's id."""
    return f"{payload.manifest['ferlite']}+{payload.id}"


def _lay_out(payload: Payload, root: Path, arch: str) -> None:
    store = root / STORE.lstrip("/")
    store.mkdir(parents=True)
    for name, path in payload.files.items():
        shutil.copyfile(path, store / name)
        (store / name).chmod(0o644)
    manifest = payload.manifest
    major, minor = manifest["python"].split(".")
    control = root / "DEBIAN"
    control.mkdir()
    size = sum(path.stat().st_size for path in payload.files.values()) // 1024 + 1
    scripts = {"postinst": _POSTINST, "prerm": _PRERM, "postrm": _POSTRM}
    about = {key: manifest[key] for key in ("bundle", "engine", "board", "python", "glibc")}
    text = _CONTROL.format(
        version=version(payload), arch=arch, size=size, next_python=f"{major}.{int(minor) + 1}~", **about
    )
    (control / "control").write_text(text, encoding="utf-8")
    for name, script in scripts.items():
        (control / name).write_text(script, encoding="utf-8")
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.name in scripts else 0o644)
        os.utime(path, (EPOCH, EPOCH))
    root.chmod(0o755)
