"""Fixtures: a pip wheel, an ssh server on loopback with throw-away keys."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from boards.remote import Remote
from tests.boards import tiny


@pytest.fixture(scope="session")
def pip_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.pip_wheel(tmp_path_factory.mktemp("pip"))


@pytest.fixture
def house(tmp_path: Path, pip_wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheelhouse of small real wheels: ferlite, the engines of the tests' bundles, and pip."""
    folder = tmp_path / "house"
    needs = tuple(
        f"{package}; extra == '{extra}'"
        for extra, package in (
            ("onnx", "onnxruntime"),
            ("tflite", "ai-edge-litert"),
            ("openvino", "openvino"),
        )
    )
    own = tiny.ferlite_wheel(folder, "1.0", requires=needs)
    tiny.write_wheel(folder, "onnxruntime", "1.22.0", {"onnxruntime/__init__.py": b""})
    tiny.write_wheel(folder, "ai_edge_litert", "2.3.0", {"ai_edge_litert/interpreter.py": b""})
    tiny.write_wheel(folder, "openvino", "2026.4.1", {"openvino/__init__.py": b""})
    shutil.copy(pip_wheel, folder)
    monkeypatch.setattr("boards.wheels.own_wheel", lambda folder: own)
    return folder


@dataclass
class Server:
    """A running sshd: its folder holds the keys, the configuration and the home of its one user."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def config(self) -> str:
        return str(self.folder / "client")

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def remote(self, **changes: str) -> Remote:
        return Remote(**{"host": "board", "config": self.config, **changes})  # type: ignore[arg-type]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_server(
    folder: Path, *extra: str, environment: str = "", within: tuple[str, ...] = (), address: str = "127.0.0.1"
) -> Server:
    """Start sshd for the user who runs the tests. ``extra`` are lines of its configuration.

    ``within``: the words before its command, where it stands in a network of its own with ``address``.
    """
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if sshd is None or not shutil.which("ssh-keygen"):
        pytest.skip("needs the ssh server: apt install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    port = 22 if within else free_port()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "home").mkdir()
    (folder / "known").write_text(
        f"{address if within else f'[{address}]:{port}'} {(folder / 'host.pub').read_text()}"
    )
    lines = [
        f"Port {port}",
        f"ListenAddress {address}",
        f"HostKey {folder}/host",
        f"PidFile {folder}/pid",
        f"AuthorizedKeysFile {folder}/user.pub",
        "StrictModes no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        f"SetEnv HOME={folder}/home XDG_CACHE_HOME= {environment}",
        *extra,
    ]
    (folder / "server").write_text("\n".join(lines) + "\n")
    (folder / "client").write_text(
        f"Host board\n HostName {address}\n Port {port}\n User {getpass.getuser()}\n"
        f" IdentityFile {folder}/user\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {folder}/known\n GlobalKnownHostsFile /dev/null\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*within, sshd, "-D", "-e", "-f", folder / "server"], stderr=log, stdin=subprocess.DEVNULL
        )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex((address, port)) == 0:
                return Server(folder, port, process)
        if process.poll() is not None:
            pytest.fail(f"sshd does not start: {(folder / 'log').read_text()}")
        time.sleep(0.02)
    process.kill()
    pytest.fail("sshd does not answer")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = start_server(tmp_path / "ssh")
    yield running
    running.process.terminate()
    running.process.wait(10)
