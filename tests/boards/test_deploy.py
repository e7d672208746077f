"""Deploying over a real ssh server on loopback, with throw-away keys."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from boards import bundle, cli, deploy, profile
from boards.deploy import look, probe_remote, send_and_install, target_of
from boards.errors import BoardRefused, BoardsError, DeployFailed, UsageError
from boards.facts import from_json
from boards.payload import Payload
from boards.probe import probe
from boards.remote import Remote
from boards.settings import Settings
from tests.boards import tiny
from tests.boards.conftest import Server, free_port, start_server
from tests.boards.test_choice import make_bundle
from tests.boards.test_install import says


@pytest.fixture
def payload(tmp_path: Path, pip_wheel: Path) -> Payload:
    return tiny.make(tmp_path / "one", "1.0", pip=pip_wheel)


def test_deploy_update_status_and_rollback(
    server: Server, payload: Payload, tmp_path: Path, pip_wheel: Path
) -> None:
    board = str(tmp_path / "board dir")
    newer = tiny.make(tmp_path / "two", "2.0", pip=pip_wheel)
    with server.remote() as remote:
        first = send_and_install(payload, remote, prefix=board)
        assert (first["current"], first["host"], first["started"]) == (payload.id, "board", None)
        assert says(Path(board)) == "ferlite 1.0"
        assert send_and_install(newer, remote, prefix=board)["previous"] == payload.id
        assert says(Path(board)) == "ferlite 2.0"
        assert deploy.status(remote, prefix=board)["current"] == newer.id
        assert deploy.rollback(remote, prefix=board)["current"] == payload.id
        assert says(Path(board)) == "ferlite 1.0"


def test_only_what_changed_is_sent(
    server: Server, payload: Payload, tmp_path: Path, pip_wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = tiny.make(tmp_path / "two", "2.0", pip=pip_wheel)
    with server.remote() as remote:
        send_and_install(payload, remote, prefix=str(tmp_path / "board"))
        assert f"sending {len(payload.files)} of {len(payload.files)} files" in capsys.readouterr().err
        send_and_install(newer, remote, prefix=str(tmp_path / "board"))
        # Manifest and installer always; of the rest the new wheel and the requirements that name it.
        assert f"sending 4 of {len(newer.files)} files" in capsys.readouterr().err
    store = server.home / ".cache/ferlite/payload"
    assert {path.name for path in store.iterdir()} == set(newer.files)


@pytest.mark.parametrize("broken", ["shorter", "other"])
def test_a_transfer_that_broke_off_goes_on(
    broken: str, server: Server, payload: Payload, tmp_path: Path
) -> None:
    store = server.home / ".cache/ferlite/payload"
    store.mkdir(parents=True)
    name, path = max(payload.files.items(), key=lambda item: item[1].stat().st_size)
    content = path.read_bytes()
    (store / name).write_bytes(content[:-100] if broken == "shorter" else bytes(len(content)))
    with server.remote() as remote:
        if broken == "other":
            # The right size but not the right bytes: noticed on the board, removed, and sent anew.
            with pytest.raises(DeployFailed, match="was damaged on its way: deploy again"):
                send_and_install(payload, remote, prefix=str(tmp_path / "board"))
        assert send_and_install(payload, remote, prefix=str(tmp_path / "board"))["current"] == payload.id


def test_probe_over_ssh_is_the_probe(server: Server) -> None:
    with server.remote() as remote:
        there, here = probe_remote(remote), probe()
    assert there.system == here.system
    assert there.cpu == here.cpu
    assert there.hardware == here.hardware
    assert target_of(there) == tiny.target()
    assert list((server.home / ".cache/ferlite/payload").iterdir()) == []


@dataclasses.dataclass
class Counting(Remote):
    """Counts what travels over a real connection."""

    scripts: list[str] = dataclasses.field(default_factory=list)

    def run(self, script: str, data: bytes = b"") -> subprocess.CompletedProcess[str]:
        self.scripts.append(script)
        return super().run(script, data)


def test_a_deploy_looks_at_the_board_once(
    server: Server, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = bundle.read(make_bundle(tmp_path / "bundle", "onnx"))
    board = tmp_path / "board"
    settings = Settings(wheelhouse=house, offline=True, source="/dev/video63")
    with Counting("board", config=server.config) as remote:
        result = deploy.deploy(
            model, remote, settings=settings, cache=tmp_path / "cache", prefix=str(board), start=False
        )
        assert len(remote.scripts) == 2, remote.scripts
        assert "dpkg-query" in remote.scripts[0] and "install.py install" in remote.scripts[1]
    assert result["current"] and says(board) == "ferlite 1.0"
    config = json.loads((board / "opt/ferlite/current/edge.json").read_text())
    assert (config["engine"], config["source"]) == ("onnx", "/dev/video63")
    said = capsys.readouterr().err
    assert "it is a Any" in said and "no camera is seen at /dev/video63" in said
    assert sorted((server.home / ".cache/ferlite/payload").glob(".*")) == []


def test_a_camera_whose_package_is_missing_is_said_before_anything_is_sent(
    server: Server, house: Path, tmp_path: Path
) -> None:
    if not shutil.which("dpkg-query"):
        pytest.skip("the board of this test is this machine, and it is no Debian")
    mine = tmp_path / "mine.toml"
    text = (profile.FOLDER / "generic-x86-64.toml").read_text().replace("generic-x86-64", "mine")
    camera = 'source = "picamera2"\nsystem_packages = ["coreutils", "python3-none-such"]'
    mine.write_text(text.replace('source = "/dev/video0"', camera).replace("x86_64", platform.machine()))
    model = bundle.read(make_bundle(tmp_path / "bundle", "onnx"))
    settings = Settings(wheelhouse=house, offline=True)
    with (
        server.remote() as remote,
        pytest.raises(
            BoardRefused, match="'picamera2' needs .*: sudo apt install python3-none-such, or name"
        ),
    ):
        deploy.deploy(model, remote, board=str(mine), settings=settings, cache=tmp_path, prefix=str(tmp_path))
    assert list((server.home / ".cache/ferlite/payload").iterdir()) == []
    settings = dataclasses.replace(settings, source="clip.mp4")
    with server.remote() as remote:
        deploy.deploy(
            model,
            remote,
            board=str(mine),
            settings=settings,
            cache=tmp_path,
            prefix=str(tmp_path / "board"),
            start=False,
        )
    assert says(tmp_path / "board") == "ferlite 1.0"


@pytest.mark.parametrize(
    ("words", "says_what"),
    [
        (["--sink", "smoke:signals"], "unknown sink 'smoke:signals'"),
        (["--sink", "csv:/etc/passwd"], "the service may write below /var/lib/ferlite only"),
        (["--detector", "yunet"], "detector yunet needs its weights"),
        (["--detector-model", "/none.onnx"], "there is no file '/none.onnx'"),
        (["--port", "70000"], "argument --port: '70000' must be a whole number from 1 to 65535"),
    ],
)
def test_what_is_typed_is_checked_before_ssh(
    words: list[str],
    says_what: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # there is no ssh: getting that far would say so
    model = make_bundle(tmp_path / "bundle", "onnx")
    assert cli.main(["deploy", str(model), "nobody@no-such-board.invalid", *words]) == 2
    assert says_what in capsys.readouterr().err


def test_facts_survive_the_wire() -> None:
    facts = probe()
    assert from_json(json.loads(json.dumps(dataclasses.asdict(facts)))) == facts


def test_probe_and_status_as_a_user_types_them(server: Server, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "boards.cli",
            "probe",
            "--host",
            "board",
            "--json",
            "--ssh-config",
            server.config,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["system"]["arch"] == platform.machine()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "boards.cli",
            "deploy",
            "--status",
            "board",
            "--ssh-config",
            server.config,
            "--prefix",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "none installed" in done.stdout


def test_host_key_changed(server: Server) -> None:
    (server.folder / "host2").unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", server.folder / "host2"], check=True)
    other = (server.folder / "host2.pub").read_text()
    (server.folder / "known").write_text(f"[127.0.0.1]:{server.port} {other}")
    with (
        server.remote() as remote,
        pytest.raises(DeployFailed, match="host key of board is not the one known"),
    ):
        look(remote, "/")


def test_host_key_unknown(server: Server) -> None:
    (server.folder / "known").write_text("")
    with (
        server.remote() as remote,
        pytest.raises(DeployFailed, match="is not known yet: check it with ssh board"),
    ):
        look(remote, "/")
    with server.remote(accept_new_host_key=True) as remote:  # type: ignore[arg-type]
        assert look(remote, "/").uid == os.geteuid()
    assert str(server.port) in (server.folder / "known").read_text()


def test_key_not_accepted(server: Server) -> None:
    (server.folder / "user.pub").write_text((server.folder / "host.pub").read_text())
    with server.remote() as remote, pytest.raises(DeployFailed, match="ssh-copy-id board"):
        look(remote, "/")


def test_nobody_listens(server: Server) -> None:
    config = Path(server.config)
    config.write_text(config.read_text().replace(str(server.port), str(free_port())))
    with server.remote() as remote, pytest.raises(DeployFailed, match="enable ssh on the board"):
        look(remote, "/")


def test_no_such_host(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("")
    remote = Remote("nobody@no-such-board.invalid", config=str(tmp_path / "config"))
    with remote, pytest.raises(DeployFailed, match=r"there is no host 'no-such-board\.invalid'"):
        look(remote, "/")


@pytest.mark.parametrize("host", ["", "-oProxyCommand=reboot", "user@a b", "a\nb"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(UsageError, match="is not a host"), Remote(host):
        pass


def test_the_connection_breaks_off_while_sending(server: Server, tmp_path: Path) -> None:
    """The session's process dies while a large file travels; afterwards the same file arrives whole."""
    large = tmp_path / "large"
    large.write_bytes(os.urandom(1 << 20) * 96)
    with server.remote() as remote:
        store = Path(look(remote, "/").store)

        def cut() -> None:
            while not (store / "large").exists():
                time.sleep(0.001)
            children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
            for child in children.split():
                os.kill(int(child), signal.SIGKILL)

        thread = threading.Thread(target=cut)
        thread.start()
        with pytest.raises(DeployFailed):
            remote.send({"large": large}, str(store))
        thread.join()
        assert (store / "large").stat().st_size < large.stat().st_size
    with server.remote() as remote:
        remote.send({"large": large}, str(store))
    assert (store / "large").read_bytes() == large.read_bytes()


@pytest.fixture
def nobody_server(tmp_path: Path) -> Iterator[Server]:
    """A server whose sessions run as nobody, who has no sudo and no home of his own."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root to give up root in the session")
    command = 'setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "$SSH_ORIGINAL_COMMAND"'
    server = start_server(tmp_path / "ssh", f"ForceCommand {command}")
    for folder in (server.home, *server.home.parents):
        if (
            folder.is_relative_to(tmp_path.parent.parent.parent)
            and folder.owner() == "root"
            and folder != Path("/tmp")
        ):
            folder.chmod(0o755)
    shutil.chown(server.home, 65534, 65534)
    yield server
    server.process.terminate()
    server.process.wait(10)


def test_no_right_to_install(nobody_server: Server, payload: Payload) -> None:
    with nobody_server.remote() as remote:
        seen = look(remote, "/")
        assert (seen.uid, seen.writable) == (65534, False)
        with pytest.raises(DeployFailed, match="sudo"):
            send_and_install(payload, remote)
    assert list((nobody_server.home / ".cache/ferlite/payload").iterdir()) == []


@pytest.mark.parametrize(
    ("python", "error", "says_what"),
    [
        ("echo 3.8", BoardRefused, r"Python is 3\.8 and ferlite needs 3\.10"),
        ("exit 1", BoardRefused, "has no python3"),
        ("echo so-and-so", DeployFailed, "its answer makes no sense"),
        (
            '[ "$1" = -c ] && echo 3.11 || { echo no such module >&2; exit 1; }',
            DeployFailed,
            "the probe did not run: no such module",
        ),
        ('[ "$1" = -c ] && echo 3.11 || echo "{"', DeployFailed, "the probe's answer makes no sense: {"),
    ],
)
def test_a_board_whose_python_does_not_serve(
    python: str, error: type[BoardsError], says_what: str, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").write_text(f"#!/bin/sh\n{python}\n")
    (folder / "python3").chmod(0o755)
    server.process.terminate()
    server.process.wait(10)
    old = start_server(tmp_path / "old", environment=f"PATH={folder}:/usr/bin:/bin")
    try:
        with (
            old.remote() as remote,
            pytest.raises(error, match=says_what),
        ):
            look(remote, "/", probing=True)
    finally:
        old.process.terminate()
        old.process.wait(10)
