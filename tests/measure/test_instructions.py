"""The instruction budget: how counts are laid to stages, and what leaves the budget."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from benchmarks import instructions
from measure.stages import STAGES

BUDGET = {"detect": 1_000_000, "track": 500}


@pytest.mark.parametrize(
    ("counts", "leaves"),
    [
        ({"detect": 1_000_000, "track": 500}, set()),
        ({"detect": 1_049_000, "track": 1_400}, set()),
        ({"detect": 1_051_000, "track": 500}, {"detect"}),
        ({"detect": 940_000, "track": 500}, {"detect"}),
        ({"detect": 1_000_000, "track": 2_000}, {"track"}),
        ({"detect": 1_000_000}, set()),
        ({"detect": 1_000_000, "track": 500, "blur": 90_000}, {"blur"}),
        ({"track": 500}, {"detect"}),
    ],
)
def test_what_leaves_the_budget(counts: dict[str, int], leaves: set[str]) -> None:
    found = instructions.held(counts, BUDGET, 0.05)
    assert {stage for stage, each in found.items() if not each["holds"]} == leaves
    text = instructions.as_text({"stages": found, "other_versions": {"numpy": "9"}})
    assert ("left its budget" in text) == bool(leaves) == ("another numpy" in text)


def test_counts_go_to_the_stage_that_the_mark_ends() -> None:
    marks, totals = ["start"], [999]
    for _ in range(instructions.WARM_UPS + 3):
        marks += ["detect", "track", "track", "start"]
        totals += [100, 7, 8, 55]
    marks, totals = [*marks, "detect", "track"], [*totals, 100, 15]
    assert instructions._by_stage(marks, totals) == {"detect": 100, "track": 15}


def test_the_budget_has_every_stage() -> None:
    table = json.loads(instructions.BUDGET.read_text())
    assert set(table["instructions"]) == set(STAGES)
    assert set(table["versions"]) == set(instructions.versions())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_the_budget_is_kept() -> None:
    done = subprocess.run(
        [sys.executable, instructions.__file__], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
