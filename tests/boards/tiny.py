"""Tiny real wheels and payloads for this machine: the installed pip packed again, a ferlite of one file."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import platform
import py_compile
import sys
import tempfile
import zipfile
from pathlib import Path

from boards import payload, wheels
from boards.payload import Payload
from boards.wheels import Target

ABOUT = {
    "board": "generic",
    "bundle": "tiny",
    "engine": "onnx",
    "ferlite": "1.0",
    "system_site_packages": False,
}


def target() -> Target:
    """This machine, as a board."""
    glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()[-1]
    return Target(platform.machine(), f"{sys.version_info[0]}.{sys.version_info[1]}", glibc)


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    files: dict[str, bytes],
    *,
    tag: str = "py3-none-any",
    requires: tuple[str, ...] = (),
) -> Path:
    """A wheel, made as the wheel format asks."""
    info = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    lines += [f"Requires-Dist: {line}\n" for line in requires]
    lines += [f"Provides-Extra: {extra}\n" for extra in ("boards", "onnx", "tflite", "openvino")]
    files = {**files, f"{info}/METADATA": "".join(lines).encode()}
    files.setdefault(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode())
    record = "".join(f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in files.items())
    path = folder / f"{name}-{version}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for inside, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(zipfile.ZipInfo(inside, (2020, 1, 1, 0, 0, 0)), data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def pip_wheel(folder: Path) -> Path:
    """The pip that runs these tests, as a wheel."""
    pip = importlib.metadata.distribution("pip")
    files = {}
    for entry in pip.files or ():
        path = Path(str(entry.locate()))
        if (
            entry.parts[0] in ("pip", f"pip-{pip.version}.dist-info")
            and path.suffix != ".pyc"
            and path.is_file()
        ):
            files[str(entry)] = path.read_bytes()
            if path.suffix == ".py":
                # Compiled modules beside the source halve the time that pip takes from inside a zip.
                with tempfile.NamedTemporaryFile() as compiled:
                    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
                    py_compile.compile(
                        str(path), compiled.name, str(entry), doraise=True, invalidation_mode=mode
                    )
                    files[f"{entry}c"] = Path(compiled.name).read_bytes()
    for name in ("METADATA", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
        files.pop(f"pip-{pip.version}.dist-info/{name}", None)
    return write_wheel(folder, "pip", pip.version, files)


def ferlite_wheel(
    folder: Path, version: str, *, broken: bool = False, requires: tuple[str, ...] = ()
) -> Path:
    """A ferlite that only says its version (or dies as it is imported)."""
    body = "raise SystemExit('this wheel is broken')\n" if broken else f"print('ferlite {version}')\n"
    files = {
        "edge/__init__.py": body.encode() if broken else b"",
        "edge/cli.py": f"def main():\n    {body}".encode(),
        f"ferlite-{version}.dist-info/entry_points.txt": b"[console_scripts]\nferlite = edge.cli:main\n",
    }
    return write_wheel(folder, "ferlite", version, files, requires=requires)


def make(
    folder: Path,
    version: str,
    *,
    pip: Path,
    broken: bool = False,
    contents: dict[str, bytes] | None = None,
    timer: bool = True,
    **about: object,
) -> Payload:
    """A payload with that version of the tiny ferlite."""
    own = ferlite_wheel(folder / "wheels", version, broken=broken)
    found = [wheels.read_wheel(path) for path in (*sorted(own.parent.glob("*.whl")), pip)]
    files = {
        "edge.json": b"{}\n",
        "ferlite.service": b"[Service]\n",
        **({"ferlite-again.timer": b"[Timer]\n"} if timer else {}),
        "bundle/bundle.json": b"{}",
        **(contents or {}),
    }
    described = {**ABOUT, "check": "import edge.cli", "ferlite": version, **about}
    return payload.assemble(folder / "payload", target(), found, files, described)
