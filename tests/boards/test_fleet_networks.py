"""A fleet whose boards stand in networks of their own: an ssh server in each of several namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boards import board_table, cli
from boards.fleet_bench import table_records
from edge.files import read_record
from tests.boards.conftest import Server, start_server
from tests.pages.reading import stands_alone

MANY = 3
ROOT = Path(__file__).parents[2]


def ip(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=False)


def networks_refused() -> str:
    """Why no namespace with a network can be made here; "" where it can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "needs root and iproute2"
    name = f"ferlite-{os.getpid()}"
    made = ip("netns", "add", name)
    ip("netns", "del", name)
    return made.stderr.strip()


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[list[Server]]:
    """Servers at 198.18.N.2, port 22, each behind a link of its own."""
    if refused := networks_refused():
        pytest.skip(f"no network namespaces here: {refused}")
    running: list[Server] = []
    try:
        for number in range(MANY):
            # The range that is set apart for measuring networks (RFC 2544): nobody's address.
            name, link, address = (
                f"ferlite-{os.getpid()}-{number}",
                f"fz{os.getpid() % 10**6}-{number}",
                f"198.18.{number}",
            )
            for words in (
                f"netns add {name}",
                f"link add {link} type veth peer name eth0 netns {name}",
                f"addr add {address}.1/30 dev {link}",
                f"link set {link} up",
                f"-n {name} addr add {address}.2/30 dev eth0",
                f"-n {name} link set eth0 up",
                f"-n {name} link set lo up",
            ):
                done = ip(*words.split())
                assert done.returncode == 0, f"ip {words}: {done.stderr}"
            within = ("ip", "netns", "exec", name)
            running.append(start_server(tmp_path / f"ssh{number}", within=within, address=f"{address}.2"))
        yield running
    finally:
        for server in running:
            server.process.terminate()
            server.process.wait(10)
        for number in range(MANY):
            ip("netns", "del", f"ferlite-{os.getpid()}-{number}")


@pytest.fixture
def file(boards: list[Server], make_bundle: Callable[..., Path], tmp_path: Path) -> Path:
    hosts = [Path(one.config).read_text().replace("Host board", f"Host b{n}") for n, one in enumerate(boards)]
    (tmp_path / "ssh").write_text("\n".join(hosts))
    lines = ["schema = 1", f'bundle = "{make_bundle()}"', f'ssh_config = "{tmp_path}/ssh"']
    lines += ["start = false", "settle_s = 0.0", "bench_s = 0.05"]
    for number, server in enumerate(boards):
        lines += ["[[board]]", f'host = "b{number}"', f'prefix = "{server.home}/board"']
    (tmp_path / "fleet.toml").write_text("\n".join(lines) + "\n")
    return tmp_path / "fleet.toml"


def measuring(server: Server) -> None:
    """Let the board's ferlite-bench be the real one: the wheels that these tests deploy are empty."""
    program = server.home / "board/opt/ferlite/current/venv/bin/ferlite-bench"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m measure.cli "$@"\n')
    program.chmod(0o755)


def test_a_fleet_is_rolled_out_measured_and_shown(
    boards: list[Server], file: Path, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    fleet = ["fleet", str(file)]
    assert cli.main([*fleet, "deploy", "--offline", "--wheelhouse", str(house), "--limit", "2"]) == 0
    for server in boards[:2]:
        measuring(server)
    (boards[2].home / "board/opt/ferlite/current/venv/bin/ferlite-bench").unlink(missing_ok=True)
    kept = ["--record", str(tmp_path / "bench.json"), "--html", str(tmp_path / "bench.html")]
    capsys.readouterr()
    assert cli.main([*fleet, "bench", *kept]) == 1
    said = capsys.readouterr().out
    assert said.count(" ms a face") == 2 and "b2" in said and "the measurement failed there" in said
    record = read_record(tmp_path / "bench.json", "fleet", 1, "fleet")
    first = record["boards"][0]["result"]
    assert first["median_ms"] > 0 and first["measured"].startswith("onnx fp32, onnxruntime ")
    page = (tmp_path / "bench.html").read_text()
    stands_alone(page)
    assert "2 of 3 boards are well" in page and "b2: " in page and f"{first['median_ms']:.2f}" in page

    # What counts as a measurement of a board goes into the table of boards, and what is void does not.
    good = [one for one in record["boards"] if one["ok"] and not one["result"]["void"]]
    assert len(list(table_records(record))) == len(good)
    for one in good:
        one["result"]["beside_service"] = True
    assert list(table_records(record)) == []
    assert cli.main(["table", str(tmp_path / "bench.json"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["boards"]
    measured = [row for row in rows if "measured on hardware" in row["onnx"] and "tiny" in row["onnx"]]
    assert len(measured) == bool(good) and len(rows) == len(board_table.rows([]))


def test_a_board_whose_network_is_gone_is_named_and_the_rollout_stops(
    boards: list[Server], file: Path, house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ip("-n", f"ferlite-{os.getpid()}-1", "link", "set", "eth0", "down").returncode == 0
    assert cli.main(["fleet", str(file), "deploy", "--json", "--offline", "--wheelhouse", str(house)]) == 1
    told = json.loads(capsys.readouterr().out)["boards"]
    assert [(one["ok"], one["stage"]) for one in told] == [(True, 1), (False, 2), (False, 0)]
    assert "b1" in told[1]["error"] and "not its turn" in told[2]["error"]
    assert cli.main(["fleet", str(file), "bench"]) == 1
    assert "b2: nothing is installed there: deploy a bundle first" in capsys.readouterr().out
