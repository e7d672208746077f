"""What a record says of its machine, and when a run is void."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge import bundle as bundles
from measure import machine
from tests.boards.trees import BOARDS, write


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_is_described_from_its_tree(tmp_path: Path, board: str) -> None:
    facts = machine.machine(write(tmp_path, BOARDS[board]))
    assert facts["board"] == board
    assert facts["features"] == sorted(facts["features"]) and facts["features"]
    assert facts["governor"] == "ondemand" and facts["clock_max_mhz"] == 1800
    assert json.loads(json.dumps(facts)) == facts


def test_a_machine_that_tells_nothing_is_unknown_not_guessed(tmp_path: Path) -> None:
    facts = machine.machine(tmp_path)
    assert facts["board"] is None and facts["cpu"] is None and facts["governor"] is None


def test_a_moment_has_the_boards_own_telemetry(tmp_path: Path) -> None:
    moment = machine.moment(write(tmp_path, BOARDS["rpi-4b"]))
    assert moment["temperature_c"] == 48.312 and moment["clock_mhz"] == 1500
    assert "under-voltage" in moment["throttled"] and moment["load"] >= 0


def moment(now: tuple[str, ...] | None, before: tuple[str, ...] | None = None) -> dict[str, Any]:
    return {"throttled": now, "throttled_before": before}


@pytest.mark.parametrize(
    ("moments", "why"),
    [
        ([moment(()), moment(())], None),
        ([moment(None), moment(None)], None),
        ([moment((), ("throttled",)), moment((), ("throttled",))], None),
        ([moment(()), moment(("throttled",)), moment(())], "reported 'throttled'"),
        ([moment(("under-voltage",))], "reported 'under-voltage'"),
        ([moment((), ()), moment((), ("frequency capped",))], "between two looks at it: frequency capped"),
        ([moment(None, ("thermal throttling (3 events)",)), moment(None, ("thermal throttling (5 events)",))],
         "5 events"),
        ([moment((), ("throttled",)), moment((), ())], "its record was cleared"),
    ],
)  # fmt: skip
def test_a_run_is_void_when_the_board_throttled(moments: list[dict[str, Any]], why: str | None) -> None:
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
