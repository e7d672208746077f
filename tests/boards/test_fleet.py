"""A fleet of real ssh servers on loopback, each a board with a home and a prefix of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from boards import bundle, choice, cli, deploy, fleet, profile
from boards.errors import FleetInvalid
from boards.probe import probe
from boards.settings import Settings
from boards.wheels import Target
from tests.boards import trees
from tests.boards.conftest import Server, start_server
from tests.boards.test_choice import make_bundle
from tests.required import absent

MANY = 4


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    running = [start_server(tmp_path / f"ssh{number}") for number in range(MANY)]
    yield running
    for server in running:
        server.process.terminate()
        server.process.wait(10)


@pytest.fixture
def file(servers: list[Server], tmp_path: Path) -> Path:
    """The fleet's file: the servers by the names b0, b1, ... of one ssh configuration."""
    hosts = [
        Path(one.config).read_text().replace("Host board", f"Host b{n}") for n, one in enumerate(servers)
    ]
    (tmp_path / "ssh").write_text("\n".join(hosts))
    make_bundle(tmp_path / "bundle", "onnx")
    lines = ["schema = 1", f'bundle = "{tmp_path}/bundle"', f'ssh_config = "{tmp_path}/ssh"']
    lines += ["start = false", "settle_s = 0.0"]
    for number, server in enumerate(servers):
        lines += ["[[board]]", f'host = "b{number}"', f'source = "clip{number}.mp4"']
        lines += [f'prefix = "{server.home}/board"']
    (tmp_path / "fleet.toml").write_text("\n".join(lines) + "\n")
    return tmp_path / "fleet.toml"


def typed(file: Path, action: str, house: Path, *more: str) -> list[str]:
    return ["fleet", str(file), action, "--json", "--offline", "--wheelhouse", str(house), *more]


def installed(server: Server) -> dict[str, object]:
    path = server.home / "board/opt/ferlite/current/edge.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def test_a_whole_fleet_in_stages(
    servers: list[Server], file: Path, house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.json"
    assert cli.main(["fleet", str(file), "probe", "--json"]) == 0
    boards = json.loads(capsys.readouterr().out)["boards"]
    assert [one["name"] for one in boards] == [f"b{n}" for n in range(MANY)]
    assert all(one["result"]["board"] and one["result"]["system"]["python"] for one in boards)

    assert cli.main(typed(file, "deploy", house, "--record", str(record), "--limit", "2")) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert [one["stage"] for one in told["boards"]] == [1, 2, 3, 3]
    kept = json.loads(record.read_text())
    assert (kept["kind"], kept["schema"], kept["boards"]) == ("fleet", 1, told["boards"])
    assert [installed(one)["source"] for one in servers] == [f"clip{n}.mp4" for n in range(MANY)]
    lines = said.err.splitlines()
    assert "stage 1: 1 of 4 boards" in lines and "stage 3: 2 of 4 boards" in lines
    assert all(any(line.startswith(f"b{n}: sending ") for line in lines) for n in range(MANY))

    assert cli.main(["fleet", str(file), "status", "--json"]) == 0
    runs = [one["result"]["current"] for one in json.loads(capsys.readouterr().out)["boards"]]
    assert runs == [one["result"]["current"] for one in told["boards"]] and all(runs)
    assert cli.main(["fleet", str(file), "status"]) == 0
    assert "4 of 4 boards are well" in capsys.readouterr().out


def test_a_first_board_that_fails_keeps_all_others_from_it(
    servers: list[Server], file: Path, house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (servers[0].home / "board").mkdir()
    (servers[0].home / "board/opt").write_text("a file where a folder belongs")
    assert cli.main(typed(file, "deploy", house)) == 1
    said = capsys.readouterr()
    told = json.loads(said.out)["boards"]
    assert [one["ok"] for one in told] == [False] * MANY and [one["stage"] for one in told] == [1, 0, 0, 0]
    assert told[0]["error"] and "not its turn" in told[1]["error"]
    assert "stopped after stage 1: b0" in said.err
    assert [installed(one) for one in servers] == [{}] * MANY


def test_health_that_falls_after_a_stage_stops_the_next(
    servers: list[Server],
    file: Path,
    house: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second board takes the bundle, and is gone before anybody asks how it is."""
    real = fleet._after

    def dies(one: fleet.Fleet, done: Sequence[fleet.Outcome]) -> list[fleet.Outcome]:
        if len(done) == 2:
            servers[1].process.terminate()
            servers[1].process.wait(10)
        return real(one, done)

    monkeypatch.setattr(fleet, "_after", dies)
    assert cli.main(typed(file, "deploy", house)) == 1
    told = json.loads(capsys.readouterr().out)["boards"]
    assert [one["ok"] for one in told] == [True, False, False, False]
    assert [one["stage"] for one in told] == [1, 2, 0, 0]
    assert "enable ssh on the board" in told[1]["error"]
    assert [bool(installed(one)) for one in servers] == [True, True, False, False]


def test_one_that_does_not_answer_is_named_and_the_others_go_on(
    servers: list[Server], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    servers[2].process.terminate()
    servers[2].process.wait(10)
    assert cli.main(["fleet", str(file), "probe"]) == 1
    said = capsys.readouterr()
    assert "3 of 4 boards are well" in said.out
    assert [line.split()[:2] for line in said.out.splitlines() if "BAD" in line] == [["b2", "BAD"]]
    assert "b2: b2 answers but runs no ssh server" in said.err


def test_workers_of_a_cluster_go_to_the_boards(
    servers: list[Server], file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if find_spec("distributed") is None:
        absent("cluster", "the packages of ferlite[cluster] are not installed")
    from tests.cluster.conftest import scheduler

    servers[2].process.terminate()
    servers[2].process.wait(10)
    (tmp_path / "dask").mkdir()
    with scheduler(tmp_path / "dask") as processes:
        processes.worker("--no-nanny")
        assert cli.main(["fleet", str(file), "probe", "--json", "--on", processes.address]) == 1
    told = json.loads(capsys.readouterr().out)["boards"]
    assert [one["name"] for one in told] == [f"b{n}" for n in range(MANY)]
    assert [one["ok"] for one in told] == [True, True, False, True]
    assert told[0]["result"]["board"] and "runs no ssh server" in told[2]["error"]
    assert cli.main(["fleet", str(file), "deploy", "--on", "local:1"]) == 2
    assert "leave --on out" in capsys.readouterr().err


def test_two_boards_of_a_kind_share_a_payload_only_where_they_run_the_same(
    house: Path, tmp_path: Path
) -> None:
    """Three of one profile, the first and the last with a driver for the NPU."""
    model = bundle.read(make_bundle(tmp_path / "bundle", "openvino"))
    shelf, settings = fleet._Shelf(tmp_path, tmp_path), Settings(wheelhouse=house, offline=True)
    made = []
    for number, with_driver in enumerate((True, False, True)):
        root = trees.write(tmp_path / f"root{number}", trees.BOARDS["intel-lnl"])
        if not with_driver:
            (root / "sys/class/accel/accel0/device/driver").unlink()
        plan = choice.plan(profile.load("intel-lnl"), model, probe(root))
        look = deploy.Look("", 0, "3.13", True, "", {})
        made.append(shelf.of(deploy.Ready(look, plan, Target("x86_64", "3.13", "2.41")), settings))
    devices = []
    for each in made:
        (text,) = (one["sha256"] for one in each.manifest["files"] if one["path"] == "edge.json")
        devices.append(json.loads((each.folder / text).read_text())["device"])
    assert devices == ["NPU", "GPU", "NPU"]
    assert made[0] is made[2] and made[0].id != made[1].id


def test_a_service_that_does_not_run_is_no_health() -> None:
    before = fleet.Outcome("a", "a", True, result={"current": "1", "active": True})
    assert fleet.judged(before) == before
    gone = fleet.judged(fleet.Outcome("a", "a", True, result={"current": "1", "active": False}))
    assert not gone.ok and "its service does not run" in gone.error
    back = fleet._still(before, fleet.Outcome("a", "a", True, result={"current": "0", "active": True}))
    assert not back.ok and back.error == "it went from version 1 to 0"


@pytest.mark.parametrize(("many", "turns"), [(1, [1]), (2, [1, 1]), (4, [1, 1, 2]), (100, [1, 10, 89])])
def test_stages(many: int, turns: list[int]) -> None:
    members = [fleet.Member(f"b{number}") for number in range(many)]
    staged = list(fleet.stages(members))
    assert [len(turn) for turn in staged] == turns
    assert [one for turn in staged for one in turn] == members


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("schema = 1", "key 'board' is missing"),
        ("schema = 1\nboard = []", "it has no board: add [[board]]"),
        ("schema = 1\n[[board]]\nname = 'x'", "key 'host' is missing"),
        ("schema = 1\n[[board]]\nhost = 'a'\n[[board]]\nhost = 'a'", "two boards are called 'a'"),
        ("schema = 1\nlimit = 0\n[[board]]\nhost = 'a'", "'limit' is 0, and must be 1 to 256"),
        ("schema = 1\nsettle_s = nan\n[[board]]\nhost = 'a'", "'settle_s' is nan, and must be a number"),
        ("schema = 1\n[[board]]\nhost = 'a'\nport = 70000", "'port' is 70000, and must be 0 to 65535"),
        ("schema = 1\ncolour = 1\n[[board]]\nhost = 'a'", "unknown key 'colour'"),
        ("[[board]]\nhost = 'a'", "schema None is not 1"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(text)
    with pytest.raises(FleetInvalid) as caught:
        fleet.load(tmp_path / "fleet.toml")
    assert says in str(caught.value)


def test_nothing_to_deploy_and_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fleet.toml").write_text("schema = 1\n[[board]]\nhost = 'a'\n")
    assert cli.main(["fleet", str(tmp_path / "fleet.toml"), "deploy"]) == 2
    assert "names no bundle to deploy" in capsys.readouterr().err
    assert cli.main(["fleet", str(tmp_path / "none.toml"), "status"]) == 1
    assert "cannot be read: No such file" in capsys.readouterr().err
