"""Who the peers are, and an environment of its own for each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
RUNNERS = Path(__file__).parent / "runners"


@dataclass(frozen=True)
class Peer:
    """``requirements`` go to pip, ``runner`` is the script in runners/, ``gives`` what a user gets of it.

    ``home`` names the environment where that is another peer's.
    """

    name: str
    requirements: tuple[str, ...]
    runner: str
    gives: str
    home: str = ""

    @property
    def environment(self) -> str:
        """The folder that it is installed in."""
        return self.home or self.name


PEERS = (
    Peer("ferlite", (f"{ROOT}[onnx]",), "run_ferlite.py", "7 expressions"),
    # Beside what ships, because no other peer follows faces: a search of every frame, as they all do.
    Peer("ferlite@1", (), "run_ferlite.py", "7 expressions, every frame searched", home="ferlite"),
    Peer("intel", ("openvino", "opencv-python-headless<5"), "run_intel.py", "5 expressions"),
    # Its code asks for pkg_resources and for Haar cascades, which newer setuptools and OpenCV 5 no longer
    # bring; torch is only of its other detector, and pinned so that pip does not search for one.
    Peer(
        "fer",
        ("fer==25.10.3", "torch==2.13.0", "setuptools<81", "opencv-contrib-python>=4.11,<5"),
        "run_fer.py",
        "7 expressions",
    ),
    Peer("yunet", ("opencv-python-headless<5",), "run_yunet.py", "faces only"),
    Peer("mediapipe", ("mediapipe==0.10.21",), "run_mediapipe.py", "faces only"),
)
NOT_RUN = {
    "hsemotion": "not run: its package brings no weights and fetches them from the net at first use",
    "EmotiEffLib": "not run: its package brings no weights and fetches them from the net at first use",
    "DeepFace": "not run: its package brings no weights and fetches them from the net at first use",
}


def cache() -> Path:
    """Where environments are kept: $FERLITE_PEERS, or in the user's cache."""
    place = os.environ.get("FERLITE_PEERS")
    if place:
        return Path(place)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ferlite" / "peers"


def python(peer: Peer, place: Path) -> Path:
    """The peer's interpreter; its environment is made where it is not there yet. Raises SystemExit."""
    home = place / peer.environment
    ready = home / "ready"
    pip = [str(home / "bin/python"), "-m", "pip", "install", "--quiet"]
    if not ready.exists():
        print(f"installing {peer.name} into {home}", file=sys.stderr)
        _run(peer, [sys.executable, "-m", "venv", str(home)])
        _run(peer, [*pip, *peer.requirements])
        ready.touch()
    elif peer.name == "ferlite":
        _run(peer, [*pip, "--no-deps", "--force-reinstall", str(ROOT)])  # the code as it is now
    return home / "bin/python"


def _run(peer: Peer, step: Sequence[str]) -> None:
    if subprocess.run(step, check=False, stdout=sys.stderr).returncode:
        raise SystemExit(f"peers: cannot install {peer.name}: {' '.join(step[1:4])} failed")


def installed_bytes(place: Path, peer: Peer) -> int:
    """Bytes of the environment's packages without pip, setuptools and compiled bytecode."""
    total = 0
    for path in (place / peer.environment).glob("lib*/python*/site-packages/*"):
        # lib64 is a link to lib where there is one.
        if path.parents[2].is_symlink() or path.name.startswith(("pip", "setuptools", "_distutils")):
            continue
        files = path.rglob("*") if path.is_dir() else [path]
        total += sum(file.lstat().st_size for file in files if file.is_file() and file.suffix != ".pyc")
    return total


def versions(interpreter: Path) -> dict[str, str]:
    """Every package in the environment."""
    done = subprocess.run(
        [str(interpreter), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split("==", 1) for line in done.stdout.splitlines() if "==" in line)


def command(peer: Peer, interpreter: Path, places: dict[str, str], threads: int) -> Sequence[str]:
    """How the peer's runner is started; "" where a file that it needs was not given."""
    words = {
        "ferlite": [places["bundle"], places["detector"], str(threads)],
        "ferlite@1": [places["bundle"], places["detector"], str(threads), "1"],
        "intel": [places["intel"], str(threads)],
        "fer": [str(threads)],
        "yunet": [places["detector"], str(threads)],
        "mediapipe": [],
    }[peer.name]
    return [str(interpreter), str(RUNNERS / peer.runner), *words]
