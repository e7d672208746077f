"""A payload: everything a board needs, in one folder of files named by their sha256, and a manifest.

The same payload is sent over ssh, put on a card's FAT partition and packed into a .deb, and the same
installer takes it apart. Its id is a digest of its content: the same content is the same version.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boards import choice, systemd_unit, wheels
from boards.choice import Plan
from boards.errors import BoardRefused, PayloadInvalid
from boards.match import python_is_enough, python_refusal
from boards.onboard import install
from boards.settings import Settings, check_settings
from boards.wheels import Target, Wheel

BASE = "/opt/ferlite"
INSTALLER = Path(install.__file__)
# A virtual environment's own files, compiled modules and the file system's rounding.
_OVERHEAD = 1.35


@dataclass(frozen=True)
class Payload:
    """A payload's folder: ``manifest.json``, ``install.py`` and one file per sha256."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def id(self) -> str:
        """The version's name on the board."""
        return str(self.manifest["id"])

    @property
    def files(self) -> dict[str, Path]:
        """Every file to carry, by the name it has in the folder."""
        names = [
            "manifest.json",
            "install.py",
            *sorted({entry["sha256"] for entry in self.manifest["files"]}),
        ]
        return {name: self.folder / name for name in names}


def make(plan: Plan, target: Target, settings: Settings, folder: Path, cache: Path) -> Payload:
    """Gather the wheels and make the payload in ``folder``. Raises PayloadInvalid, BoardRefused."""
    check_settings(settings)
    if not python_is_enough(target.python):
        raise BoardRefused(python_refusal(target.python))
    if target.arch != plan.profile.arch:
        raise PayloadInvalid(f"{plan.profile.id} is {plan.profile.arch}, not {target.arch}")
    engine = plan.chosen()
    library = engine.library
    own = wheels.own_wheel(cache / "own")
    house = settings.wheelhouse or cache / f"{target.arch}-{target.python}-glibc{target.glibc}"
    extra = f",{library.extra}" if library.extra else ""
    roots = [f"ferlite[boards{extra}]", "pip", *([] if library.extra else [library.package])]
    extra_folders = [own.parent, *settings.own_wheels]
    found = wheels.collect(target, roots, house, extra=extra_folders, offline=settings.offline)
    source = settings.source or plan.profile.camera.source
    model = settings.detector_model
    config = choice.edge_config(
        plan,
        bundle=f"{BASE}/current/bundle",
        source=source,
        sink=settings.sinks,
        detector=settings.detector,
        detector_model=f"{BASE}/current/detector/{model.name}" if model else "",
    )
    texts = {
        "edge.json": choice.to_text(config),
        systemd_unit.RETRY: systemd_unit.retry_text(),
        systemd_unit.NAME: systemd_unit.text(
            plan.profile, engine, base=BASE, source=source, sinks=settings.sinks
        ),
    }
    about = {
        "board": plan.profile.id,
        "bundle": plan.bundle.name,
        "engine": engine.name,
        "ferlite": wheels.read_wheel(own).version.public,
        "system_site_packages": plan.profile.deploy.system_site_packages,
        "check": f"import edge, {library.module}",
    }
    contents = {f"bundle/{name}": content for name, content in plan.bundle.content.items()}
    contents |= {name: text.encode() for name, text in texts.items()}
    contents |= {f"detector/{model.name}": _read(model)} if model else {}
    return assemble(folder, target, found, contents, about)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PayloadInvalid(f"cannot read '{path}': {error.strerror}") from error


def assemble(
    folder: Path,
    target: Target,
    found: Sequence[Wheel],
    contents: Mapping[str, bytes],
    about: Mapping[str, object],
) -> Payload:
    """Write a payload's folder from its wheels and other files; the same input gives the same bytes."""
    for one in found:
        if not one.tags & target.tags:
            raise PayloadInvalid(f"wheel '{one.path.name}' does not fit {target}")
    folder.mkdir(parents=True, exist_ok=True)
    # pip comes along to install the others, and is not installed itself.
    pinned = wheels.requirements([one for one in found if one.name != "pip"])
    everything = {**contents, "requirements.txt": pinned.encode()}
    entries = []
    for path, content in sorted(everything.items()):
        entries.append({"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)})
        (folder / str(entries[-1]["sha256"])).write_bytes(content)
    for one in sorted(found, key=lambda wheel: wheel.path.name):
        size, digest = one.path.stat().st_size, one.sha256()
        entries.append({"path": f"wheels/{one.path.name}", "sha256": digest, "size": size})
        shutil.copyfile(one.path, folder / digest)
    unpacked = sum(one.unpacked_bytes() for one in found) + sum(map(len, everything.values()))
    manifest: dict[str, Any] = {
        "schema": install.SCHEMA,
        **about,
        "arch": target.arch,
        "python": target.python,
        "glibc": target.glibc,
        "installed_bytes": int(unpacked * _OVERHEAD),
        "files": entries,
    }
    manifest["id"] = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:12]
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    shutil.copyfile(INSTALLER, folder / "install.py")
    return Payload(folder, manifest)
