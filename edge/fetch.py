"""Weights that are other people's: where they lie, what they must be, and how they are fetched."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from edge.commands.progress import Progress
from edge.errors import FetchFailed, UsageError
from edge.files import reason

TIMEOUT = 20.0  # seconds without a byte
BLOCK = 64 * 1024


@dataclass(frozen=True)
class Weights:
    """A file that upstream publishes: address, exact content, licence."""

    address: str
    file: str
    bytes: int
    sha256: str
    licence: str


WEIGHTS = {
    "yunet": Weights(
        address=(
            "https://github.com/opencv/opencv_zoo/raw/main/models/"
            "face_detection_yunet/face_detection_yunet_2023mar.onnx"
        ),
        file="face_detection_yunet_2023mar.onnx",
        bytes=232_589,
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        licence="MIT",
    ),
}


def cache_folder() -> Path:
    """Where downloads lie: $FERLITE_CACHE, else ferlite in the user's cache folder.

    Raises FetchFailed for a user without a home: containers and services run as such.
    """
    if own := os.environ.get("FERLITE_CACHE"):
        return Path(own)
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "ferlite"
    try:
        return Path.home() / ".cache" / "ferlite"
    except RuntimeError as error:
        raise FetchFailed(
            "this user has no home folder to keep downloads in: set FERLITE_CACHE to a folder"
        ) from error


def cached(name: str) -> Path:
    """Where the named weights are, or would be once fetched. Raises FetchFailed: see ``cache_folder``."""
    return cache_folder() / WEIGHTS[name].file


def lacks(name: str) -> str:
    """Why the named weights cannot be used here, and what to type for it, as a sentence; "" where they can.

    A download that broke off, or a disk that lost a part, is seen here and not by an inference library.
    """
    weights = WEIGHTS[name]
    try:
        path = cached(name)
        if not path.is_file():
            return f"it needs its weights ({weights.bytes >> 10} KiB): ferlite fetch {name}"
        if path.stat().st_size != weights.bytes or _digest(path) != weights.sha256:
            return f"its weights '{path}' are damaged: ferlite fetch {name}"
    except FetchFailed as error:
        return f"it needs its weights, and {error}"
    except OSError as error:
        return f"its weights cannot be read: '{error.filename}': {reason(error)}"
    return ""


def fetch(name: str, address: str = "") -> Path:
    """Download the named weights, going on where an earlier try broke off; returns the file.

    ``address`` replaces upstream's (a mirror); the content is held to the same sha256 either way.
    Raises UsageError for an unknown name and FetchFailed.
    """
    if name not in WEIGHTS:
        raise UsageError(f"nothing called '{name}' can be fetched: choose {', '.join(WEIGHTS)}")
    weights = WEIGHTS[name]
    target = cached(name)
    if not lacks(name):
        return target
    from urllib.error import URLError

    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(address or weights.address, part, weights)
    except (URLError, TimeoutError, ConnectionError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise FetchFailed(
            f"cannot fetch '{name}' from {address or weights.address}: {why}; "
            f"offline, copy the file to '{target}' or give it with --detector-model"
        ) from error
    except OSError as error:
        raise FetchFailed(f"cannot write '{part}': {reason(error)}") from error
    if _digest(part) != weights.sha256:
        part.unlink()
        raise FetchFailed(
            f"what came from {address or weights.address} is not the '{name}' that ferlite knows: "
            "its sha256 differs, and it was thrown away"
        )
    part.replace(target)
    return target


def _download(address: str, part: Path, weights: Weights) -> None:
    import urllib.request  # every run asks ``lacks``, and few fetch: TLS and all is 3 MB

    have = part.stat().st_size if part.exists() else 0
    if have >= weights.bytes:
        part.unlink()
        have = 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
        if reply.status != 206:  # the server sends all of it again
            have = 0
        with (
            part.open("ab" if have else "wb") as file,
            Progress(f"fetching {weights.file}", weights.bytes, "bytes", start=have) as progress,
        ):
            # One byte more than expected is enough to know that it is not the file.
            while have <= weights.bytes and (block := reply.read(BLOCK)):
                file.write(block)
                have += len(block)
                progress.advance(len(block))
    if have < weights.bytes:
        raise ConnectionError(
            f"the connection ended after {have} of {weights.bytes} bytes; run it again to go on"
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
