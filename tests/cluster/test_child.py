"""A program below a worker ends when the worker dies, and when nobody waits for it any more."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cluster import child
from cluster.lease import LEASE, Lease, held
from edge.errors import ClusterError, UsageError, WorkerRefuses
from tests.cluster.conftest import ROOT

WAITS = "tests.cluster.waits"
LONGEST_S = 60.0


def until(path: Path, text: str) -> None:
    began = time.monotonic()
    while not path.exists() or path.read_text() != text:
        assert time.monotonic() - began < LONGEST_S, f"'{path}' never held {text!r}"
        time.sleep(0.01)


def test_it_is_told_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from cluster import child; from cluster.lease import held\n"
        f"with held(Path('held')) as lease: child.run(['{WAITS}', '{tmp_path}/mark'], lease, Path('log'))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}
    ) as parent:
        until(tmp_path / "log", "ready\n")
        parent.kill()
    until(tmp_path / "mark", "told")


def test_it_is_told_when_the_run_is_over_and_its_end_is_waited_for(tmp_path: Path) -> None:
    with held(tmp_path / "held") as lease:
        ends: list[tuple[int, str]] = []
        run = threading.Thread(
            target=lambda: ends.append(child.run([WAITS, str(tmp_path / "mark")], lease, tmp_path / "log"))
        )
        run.start()
        until(tmp_path / "log", "ready\n")
        (tmp_path / "held" / LEASE).unlink()
        run.join(LONGEST_S)
    assert ends == [(3, "")] and (tmp_path / "mark").read_text() == "told"


def test_a_folder_is_one_runs_at_a_time_and_its_tasks_know_when_it_is_not(tmp_path: Path) -> None:
    with held(tmp_path / "held") as lease:
        lease.check()
        with pytest.raises(UsageError, match="another run writes to"):  # noqa: SIM117
            with held(tmp_path / "held"):
                pass
        assert lease.wanted()
    with pytest.raises(ClusterError, match="the run that asked for this"):
        lease.check()
    assert not lease.wanted()
    with held(tmp_path / "held"), pytest.raises(ClusterError, match="is another's now"):
        lease.check()
    with pytest.raises(WorkerRefuses, match="does not see '/nowhere'"):
        Lease("/nowhere", "").check()
