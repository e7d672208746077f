"""Probes of an ablation are joined where they have one baseline and the same faces, else refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.systems import probes
from edge.errors import DataInvalid


def record(run: str, value: float, against: str = "none", data: str = "ab") -> dict[str, Any]:
    return {
        "schema": 1,
        "kind": "ferlite-probe",
        "run": {"name": run},
        "against": {"name": against},
        "data": [{"name": "x", "faces": 3, "sha256": data}],
        "environment": {},
        "rows": [{"probed": "accuracy", "data": "x, dark 1", "run": value, "against": 0.25}],
    }


def written(folder: Path, *records: dict[str, Any]) -> list[Path]:
    paths = [folder / f"{number}.json" for number in range(len(records))]
    for path, each in zip(paths, records, strict=True):
        path.write_text(json.dumps(each), encoding="utf-8")
    return paths


def test_runs_stand_beside_what_they_were_held_against(tmp_path: Path) -> None:
    joined = probes.joined(written(tmp_path, record("local", 0.5), record("gamma", 0.125)))
    assert [each["run"]["name"] for each in joined["runs"]] == ["none", "local", "gamma"]
    assert "| accuracy | x, dark 1 | 25.0% | 50.0% | 12.5% |" in probes.markdown(joined)


def test_other_baselines_and_other_faces_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="not held against the same run"):
        probes.joined(written(tmp_path, record("local", 0.5), record("gamma", 0.1, against="light")))
    with pytest.raises(DataInvalid, match="measured on other faces"):
        probes.joined(written(tmp_path, record("local", 0.5), record("gamma", 0.1, data="cd")))
