"""What a record says of its machine, and when a run is void."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from edge import bundle as bundles
from edge.errors import DataInvalid
from measure import machine
from measure.machine import Moment
from tests.boards.trees import BOARDS, write


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_is_described_from_its_tree(tmp_path: Path, board: str) -> None:
    facts = machine.here(write(tmp_path, BOARDS[board]))
    assert facts.board == board
    assert list(facts.features) == sorted(facts.features) and facts.features
    assert facts.governor == "ondemand" and facts.clock_max_mhz == 1800
    assert machine.read(json.loads(json.dumps(asdict(facts))), "a record") == facts


def test_a_machine_that_tells_nothing_is_unknown_not_guessed(tmp_path: Path) -> None:
    facts = machine.here(tmp_path)
    assert facts.board is None and facts.cpu is None and facts.governor is None
    assert str(facts).startswith("unknown CPU, ")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"machine": "x86_64", "cpu": "AMD EPYC", "cores": 2, "load": 1.74}, "AMD EPYC, 2 cores, load 1.7"),
        ({"cpu": "AMD EPYC", "cores": 1, "load": [1.16, 1.2, 1.3]}, "AMD EPYC, 1 core, load 1.2"),
        ("x86_64", "unknown CPU"),
    ],
)
def test_machines_of_older_records_are_read(table: dict[str, Any] | str, said: str) -> None:
    assert str(machine.read(table, "a record")) == said


def test_a_machine_of_a_wrong_kind_is_said() -> None:
    with pytest.raises(DataInvalid, match="a record: 'cores' is 'two', and must be a whole number"):
        machine.read({"cores": "two"}, "a record")


def test_a_moment_has_the_boards_own_telemetry(tmp_path: Path) -> None:
    moment = machine.moment(write(tmp_path, BOARDS["rpi-4b"]))
    assert moment.temperature_c == 48.312 and moment.clock_mhz == 1500 and moment.load is not None
    assert moment.throttled and "under-voltage" in moment.throttled


def moment(now: tuple[str, ...] | None, before: tuple[str, ...] | None = None) -> Moment:
    return Moment(throttled=now, throttled_before=before)


@pytest.mark.parametrize(
    ("moments", "why"),
    [
        ([moment(()), moment(())], None),
        ([moment(None), moment(None)], None),
        ([moment((), ("throttled",)), moment((), ("throttled",))], None),
        ([moment(()), moment(("throttled",)), moment(())], "reported 'throttled'"),
        ([moment(("under-voltage",))], "reported 'under-voltage'"),
        ([moment((), ()), moment((), ("frequency capped",))], "between two looks at it: frequency capped"),
        ([moment(None, ("throttled (3 events)",)), moment(None, ("throttled (5 events)",))], "5 events"),
        ([moment((), ("throttled",)), moment((), ())], "its record was cleared"),
    ],
)
def test_a_run_is_void_when_the_board_throttled(moments: list[Moment], why: str | None) -> None:
    reasons = machine.voided(moments)
    assert (reasons == []) if why is None else any(why in reason for reason in reasons)


def test_one_reason_is_said_once() -> None:
    assert len(machine.voided([moment(("throttled",))] * 5)) == 1


def test_whether_throttling_can_be_seen_at_all() -> None:
    assert not machine.throttling_known([moment(None)])
    assert machine.throttling_known([moment(None), moment(())])
    assert machine.throttling_known([moment(None, ())])


def test_a_bundles_digest_follows_what_it_says_and_not_where_it_lies(bundle: Path, tmp_path: Path) -> None:
    here = machine.bundle_digest(bundles.load(bundle))
    moved = tmp_path / "moved"
    moved.mkdir()
    table = json.loads((bundle / "bundle.json").read_text())
    (moved / "bundle.json").write_text(json.dumps(table))
    assert machine.bundle_digest(bundles.load(moved)) == here
    table["temperature"] += 1
    (moved / "bundle.json").write_text(json.dumps(table))
    assert machine.bundle_digest(bundles.load(moved)) != here


def test_a_sources_digest(clip: Path, tmp_path: Path, digest: Any) -> None:
    assert machine.source_digest(str(clip)) == digest(clip)
    (tmp_path / "a.png").write_bytes(b"a")
    one = machine.source_digest(str(tmp_path))
    (tmp_path / "b.png").write_bytes(b"b")
    assert one and machine.source_digest(str(tmp_path)) not in (None, one)
    assert machine.source_digest("0") is None
