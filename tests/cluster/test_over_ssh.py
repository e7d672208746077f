"""A cluster over ssh: a scheduler and a worker, both started through a real ssh server on loopback."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from cluster import connect, spec
from cluster.alike import ROOT, code_digest, software
from cluster.connect import answers_of
from cluster.work import Crew
from edge.errors import ClusterError
from tests.boards.conftest import start_server


@pytest.mark.slow
def test_hosts_are_reached_as_ssh_reaches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("asyncssh") is None:
        pytest.skip("asyncssh is not installed")
    server = start_server(tmp_path / "ssh")
    (tmp_path / "home/.ssh").mkdir(parents=True)
    (tmp_path / "home/.ssh/config").write_text(Path(server.config).read_text())
    (tmp_path / "hosts.txt").write_text("board\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    hosts = spec.parse(f"ssh:{tmp_path}/hosts.txt")
    try:
        with connect.connect(hosts) as client:
            assert list(answers_of(client).values()) == [software()]
            done = list(Crew(client).do(code_digest, [ROOT] * 3))
            assert [one.result for one in done] == [code_digest(ROOT)] * 3
    finally:
        server.process.terminate()
        server.process.wait(10)
    with pytest.raises(ClusterError, match="the cluster does not start over ssh: "):  # noqa: SIM117
        with connect.connect(hosts):
            pass
