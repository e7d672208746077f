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

from boards import deploy
from boards.deploy import look, probe_remote, send_and_install, target_of
from boards.errors import BoardRefused, DeployFailed, UsageError
from boards.facts import from_json
from boards.payload import Payload
from boards.probe import probe
from boards.remote import Remote
from tests.boards import tiny
from tests.boards.conftest import Server, free_port, start_server
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


def test_only_what_changed_is_sent(server: Server, payload: Payload, tmp_path: Path, pip_wheel: Path,
                                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
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


def test_facts_survive_the_wire() -> None:
    facts = probe()
    assert from_json(json.loads(json.dumps(dataclasses.asdict(facts)))) == facts


def test_probe_and_status_as_a_user_types_them(server: Server, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "boards.cli", "probe", "--host", "board", "--json",
         "--ssh-config", server.config],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["system"]["arch"] == platform.machine()
    done = subprocess.run(
        [sys.executable, "-m", "boards.cli", "deploy", "--status", "board", "--ssh-config", server.config,
         "--prefix", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
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


def test_a_board_with_a_python_that_is_too_old(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").write_text("#!/bin/sh\necho 3.8\n")
    (folder / "python3").chmod(0o755)
    server.process.terminate()
    server.process.wait(10)
    old = start_server(tmp_path / "old", environment=f"PATH={folder}:/usr/bin:/bin")
    try:
        with (
            old.remote() as remote,
            pytest.raises(BoardRefused, match=r"Python is 3\.8 and ferlite needs 3\.10"),
        ):
            look(remote, "/")
    finally:
        old.process.terminate()
        old.process.wait(10)
