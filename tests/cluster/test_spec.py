"""What may be typed for --on."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.spec import Host, Spec, parse
from edge.errors import UsageError


def test_processes_a_scheduler_and_hosts(tmp_path: Path) -> None:
    assert parse("local:3") == Spec("local", processes=3)
    assert parse("tcp://10.0.0.1:8786") == Spec("scheduler", address="tcp://10.0.0.1:8786")
    assert parse("tls://[::1]:8786").address == "tls://[::1]:8786"
    (tmp_path / "hosts.txt").write_text("# ours\nanna@one:2222 /opt/venv/bin/python\n\ntwo\n[fe80::1]:22\n")
    assert parse(f"ssh:{tmp_path}/hosts.txt").hosts == (
        Host("one", "anna", 2222, "/opt/venv/bin/python"),
        Host("two"),
        Host("fe80::1", port=22),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "local",
        "local:",
        "local:0",
        "local:-1",
        "local:2000",
        "local:two",
        "local:²",
        "tcp://",
        "tcp://a",
        "tcp://a:x",
        "tcp://a:99999",
        "http://a:1",
        "ssh:",
        "ssh",
    ],
)
def test_what_is_no_cluster_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no cluster: give local:N"):
        parse(text)


@pytest.mark.parametrize("line", ["-oProxyCommand=x", "a b c", "a:b", "a:99999", "@a"])
def test_a_line_that_is_no_host_is_quoted(line: str, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(line)
    with pytest.raises(UsageError, match="is no host: give"):
        parse(f"ssh:{tmp_path}/hosts")


def test_a_list_without_hosts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("# nobody\n")
    with pytest.raises(UsageError, match="names no host"):
        parse(f"ssh:{tmp_path}/hosts")
