#!/usr/bin/env python3
"""Installs, rolls back and reports ferlite on the board it runs on. Needs only the system's Python.

It is long because it is one file: it is copied to boards that have nothing else of ours to import.

    PREFIX/opt/ferlite/
        versions/ID/        venv, bundle, edge.json, the units, and COMPLETE once it is whole
        current             link to versions/ID; changing it is the one moment an update takes effect
    PREFIX/etc/systemd/system/ferlite.service -> /opt/ferlite/current/ferlite.service

Nothing that runs is ever written to: a new version is built beside the old one, proved to import, flushed
to the disk, and only then does ``current`` change, by one rename. Interrupted anywhere, the board has the
old version or the new one; what was left lying is cleared away by the next run.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import traceback
import venv
from pathlib import Path
from typing import Any

SCHEMA = 1
UNIT, RETRY = "ferlite.service", "ferlite-again.timer"
_SPARE_BYTES = 32 << 20


class InstallError(Exception):
    """Something that is said in one sentence."""


class Board:
    """The places on the board; ``prefix`` is "/" except in tests and images."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.base = prefix / "opt/ferlite"
        self.versions = self.base / "versions"
        self.current = self.base / "current"
        self.units = prefix / "etc/systemd/system"

    @property
    def is_live(self) -> bool:
        """Whether services can be started: a real root with systemd running."""
        return self.prefix == Path("/") and Path("/run/systemd/system").is_dir()

    def current_id(self) -> str | None:
        """The version in use, if it is whole."""
        return self._whole(self.current)

    def previous_id(self) -> str | None:
        """The version a rollback would return to, if it is whole."""
        try:
            name = (self.current / "previous").read_text(encoding="utf-8").strip()
        except OSError:
            return None
        return self._whole(self.versions / name) if name else None

    def _whole(self, folder: Path) -> str | None:
        try:
            return (folder / "COMPLETE").read_text(encoding="utf-8").strip() or None
        except OSError:
            return None


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


def write_safely(path: Path, text: str) -> None:
    """Write a small file so that it is there whole or not at all, even after a power cut."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    flush_folder(path.parent)


def link_safely(path: Path, target: str) -> None:
    """Point a symbolic link elsewhere in one step."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(path)
    flush_folder(path.parent)


def flush_disk(folder: Path) -> None:
    """Write out everything on the folder's file system: for thousands of files quicker than one by one."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Make sure that a folder's new names are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock(board: Board) -> int:
    """Keep other installers away. The lock ends with the last process that holds the handle."""
    try:
        board.versions.mkdir(parents=True, exist_ok=True)
        handle = os.open(board.base / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    except PermissionError as error:
        raise InstallError(f"no right to write to {board.base}: run this as root") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InstallError("another installation is running on this board: wait for it to end") from error
    return handle


def read_manifest(path: Path) -> dict[str, Any]:
    """The payload's manifest."""
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if manifest["schema"] != SCHEMA:
            raise InstallError(f"the payload's schema {manifest['schema']} is not {SCHEMA}")
        name = manifest["id"]
        if not (isinstance(name, str) and name.isalnum()):
            raise ValueError("id")
        for entry in manifest["files"]:
            parts = Path(entry["path"]).parts
            if not parts or parts[0] == "/" or ".." in parts or not entry["sha256"].isalnum():
                raise ValueError(entry["path"])
    except OSError as error:
        raise InstallError(f"cannot read the payload's manifest: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InstallError(f"the payload's manifest is damaged ({error})") from error
    return manifest


def check_board(manifest: dict[str, Any]) -> None:
    """Refuse a payload that was made for another machine."""
    here = platform.machine()
    if manifest["arch"] != here:
        raise InstallError(
            f"the payload is for {manifest['arch']} and this board is {here}: deploy again to it"
        )
    if sys.maxsize < 2**32:
        raise InstallError("this is a 32-bit system: ferlite needs the 64-bit image")
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if manifest["python"] != python:
        raise InstallError(
            f"the payload is for Python {manifest['python']} and this system has {python}: deploy again to it"
        )


def check_files(manifest: dict[str, Any], store: Path) -> None:
    """Compare every file with its digest before anything is touched."""
    for entry in manifest["files"]:
        path = store / entry["sha256"]
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        except OSError as error:
            raise InstallError(f"the payload lacks '{entry['path']}': {error.strerror}") from error
        if digest.hexdigest() != entry["sha256"]:
            path.unlink(missing_ok=True)
            raise InstallError(f"'{entry['path']}' was damaged on its way: deploy again to send it anew")


def check_space(manifest: dict[str, Any], board: Board) -> None:
    """Refuse before writing if the card would be full."""
    place = os.statvfs(board.base)
    free, needed = place.f_bavail * place.f_frsize, manifest["installed_bytes"] + _SPARE_BYTES
    if free < needed:
        raise InstallError(
            f"the card has {free >> 20} MB free and the installation needs {needed >> 20} MB: "
            "free some space; nothing was changed"
        )


def clear_leftovers(board: Board) -> None:
    """Remove what an interrupted run left: unfinished versions and those already set aside."""
    for folder in board.versions.iterdir():
        if folder.name.startswith(".trash-") or not (folder / "COMPLETE").is_file():
            discard(folder)


def discard(folder: Path) -> None:
    """Remove a version; it is renamed first, so that half of it is never taken for a whole one."""
    trash = folder if folder.name.startswith(".trash-") else folder.with_name(f".trash-{folder.name}")
    if trash != folder:
        shutil.rmtree(trash, ignore_errors=True)
        folder.rename(trash)
    shutil.rmtree(trash)


def build(manifest: dict[str, Any], store: Path, board: Board, handle: int) -> None:
    """Make versions/ID whole: virtual environment, wheels, bundle, settings; then mark it."""
    folder = board.versions / manifest["id"]
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    wheels = folder / ".wheels"
    for entry in manifest["files"]:
        path = folder / entry["path"]
        if path.parts[len(folder.parts)] == "wheels":
            wheels.mkdir(exist_ok=True)
            (wheels / path.name).symlink_to((store / entry["sha256"]).resolve())
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(store / entry["sha256"], path)
    say("making the virtual environment")
    # Without pip: Debian keeps ensurepip in a package of its own, so the payload brings pip as a wheel.
    venv.create(folder / "venv", system_site_packages=manifest["system_site_packages"], symlinks=True)
    say("installing the wheels")
    pip = next(wheels.glob("pip-*.whl"), None)
    if pip is None:
        raise InstallError("the payload has no pip wheel")
    python = folder / "venv/bin/python"
    command = [str(python), str(pip / "pip"), "install", "--quiet", "--no-index", "--find-links", str(wheels)]
    command += ["--no-deps", "--no-cache-dir", "--require-hashes", "--disable-pip-version-check"]
    run(
        wheels,
        [*command, "--requirement", str(folder / "requirements.txt")],
        handle,
        "installing the wheels failed",
    )
    say("checking that it imports")
    run(wheels, [str(python), "-c", manifest["check"]], handle, "the new version does not start")
    shutil.rmtree(wheels)
    flush_disk(folder)
    write_safely(folder / "COMPLETE", manifest["id"] + "\n")


def run(home: Path, command: list[str], handle: int, failure: str) -> None:
    """Run a step in a process that dies with us and keeps the lock as long as it lives.

    What it leaves in its home goes away with that folder.
    """
    libc = ctypes.CDLL(None)
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        pass_fds=(handle,),
        preexec_fn=lambda: libc.prctl(1, signal.SIGKILL),
        cwd=home,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", "PYTHONNOUSERSITE": "1"},
    )
    if done.returncode:
        lines = [line.strip() for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
        reason = lines[-1] if lines else ""
        if done.returncode < 0:
            reason = f"killed by {signal.Signals(-done.returncode).name}"
        if any("No space left" in line for line in lines):
            reason = "the card is full"
        raise InstallError(f"{failure} ({reason}); the old version goes on")


def activate(board: Board, name: str) -> None:
    """Put a whole version in use. The rename of ``current`` is the moment it happens."""
    old = board.current_id()
    if old == name:
        return
    # The way back is part of the version, so that one rename changes both.
    write_safely(board.versions / name / "previous", (old or "") + "\n")
    link_units(board, board.versions / name)
    link_safely(board.current, f"versions/{name}")


def link_units(board: Board, version: Path) -> None:
    """Let systemd find the units of whatever version is current, and start its service at power-on."""
    wants = board.units / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    links = [(board.units / UNIT, f"/opt/ferlite/current/{UNIT}"), (wants / UNIT, f"../{UNIT}")]
    if (version / RETRY).is_file():
        links.append((board.units / RETRY, f"/opt/ferlite/current/{RETRY}"))
    else:  # a version of before there was a timer
        (board.units / RETRY).unlink(missing_ok=True)
    for path, target in links:
        if not path.is_symlink() or str(path.readlink()) != target:
            link_safely(path, target)


def prune(board: Board) -> None:
    """Remove every version but the current and the previous one."""
    keep = {board.current_id(), board.previous_id()}
    for folder in board.versions.iterdir():
        if folder.name not in keep:
            discard(folder)


def systemctl(*arguments: str) -> bool:
    """Whether systemctl succeeded."""
    done = subprocess.run(
        ["systemctl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return done.returncode == 0


def restart(board: Board) -> bool:
    """Start the current version; True once it says that frames flow."""
    return systemctl("daemon-reload") and systemctl("restart", UNIT)


def install(board: Board, manifest_path: Path, store: Path, start: bool) -> dict[str, Any]:
    """Install a payload and put it in use."""
    manifest = read_manifest(manifest_path)
    check_board(manifest)
    handle = lock(board)
    check_files(manifest, store)
    clear_leftovers(board)
    before, name = board.current_id(), manifest["id"]
    if not (board.versions / name / "COMPLETE").is_file():
        check_space(manifest, board)
        try:
            build(manifest, store, board, handle)
        except BaseException:
            shutil.rmtree(board.versions / name, ignore_errors=True)
            raise
    ran = start and board.is_live and systemctl("is-active", "--quiet", UNIT)
    activate(board, name)
    started = None
    if start and board.is_live:
        say("starting the service")
        started = restart(board)
        if not started and ran and before and before != name:
            activate(board, before)
            restart(board)
            raise InstallError(
                f"version {name} does not become ready (journalctl -u {UNIT}): {before} is running again"
            )
    prune(board)
    return {**status(board), "changed": before != name, "started": started}


def rollback(board: Board, start: bool) -> dict[str, Any]:
    """Return to the previous version."""
    handle = lock(board)
    previous = board.previous_id()
    if previous is None:
        raise InstallError("there is no previous version to return to")
    activate(board, previous)
    started = restart(board) if start and board.is_live else None
    os.close(handle)
    return {**status(board), "changed": True, "started": started}


def status(board: Board) -> dict[str, Any]:
    """What is installed; ``active`` is whether its service runs, None where there is no systemd to ask."""
    try:
        manifest = json.loads((board.current / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = {}
    about = {key: manifest.get(key) for key in ("board", "bundle", "engine", "ferlite")}
    active = systemctl("is-active", "--quiet", UNIT) if board.is_live else None
    return {"current": board.current_id(), "previous": board.previous_id(), "active": active, **about}


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="install.py", description="Install ferlite on this board.")
    parser.add_argument("verb", choices=["install", "rollback", "status"])
    parser.add_argument("--manifest", type=Path, help="the payload's manifest.json")
    parser.add_argument("--store", type=Path, help="folder of the payload's files, named by their sha256")
    parser.add_argument("--prefix", type=Path, default=Path("/"), help="install below this folder")
    parser.add_argument("--no-start", action="store_true", help="do not start the service")
    arguments = parser.parse_args(argv)
    board, start = Board(arguments.prefix.absolute()), not arguments.no_start
    os.umask(0o022)
    try:
        if arguments.verb == "install":
            if not (arguments.manifest and arguments.store):
                parser.error("install needs --manifest and --store")
            result = install(board, arguments.manifest, arguments.store, start)
        else:
            result = rollback(board, start) if arguments.verb == "rollback" else status(board)
    except InstallError as error:
        say(str(error))
        return 1
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the card is full" if full else f"cannot write to '{error.filename}': {error.strerror}"
        say(f"{what}; the old version goes on")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the old version goes on")
        return 130
    except Exception:
        traceback.print_exc()
        return 3
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
