"""Two records side by side: only like machines, and no conclusion from unstable figures."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ToolchainError
from measure import compare, machine, output
from quantize import cli


@pytest.fixture
def steady(record: dict[str, Any]) -> dict[str, Any]:
    """The real run's record with times so even that a conclusion is allowed."""
    for one in record["engines"]["onnx"]["scenarios"].values():
        one["unstable"] = []
        one["values_ms"] = [10 + 0.01 * (k % 7) for k in range(30)]
    return record


def slower(record: dict[str, Any], factor: float) -> dict[str, Any]:
    other = copy.deepcopy(record)
    for one in other["engines"]["onnx"]["scenarios"].values():
        one["values_ms"] = [factor * each for each in one["values_ms"]]
    return other


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "no difference seen"), (1.1, "slower"), (0.9, "faster")]
)
def test_verdicts(steady: dict[str, Any], factor: float, verdict: str) -> None:
    rows = compare.compare(steady, slower(steady, factor))["rows"]
    assert len(rows) == 4
    for row in rows:
        assert row["ratio"] == pytest.approx(factor, abs=0.01)
        assert row["low"] <= row["ratio"] <= row["high"] and row["verdict"] == verdict


def test_nothing_is_concluded_from_unstable_figures(steady: dict[str, Any]) -> None:
    other = slower(steady, 5)
    other["engines"]["onnx"]["scenarios"]["offline"]["unstable"] = ["the machine was busy"]
    rows = {row["scenario"]: row["verdict"] for row in compare.compare(steady, other)["rows"]}
    assert rows["offline"].startswith("unstable") and rows["single-stream"] == "slower"


@pytest.mark.parametrize("key", machine.MACHINE_KEYS)
def test_unlike_machines_are_refused(steady: dict[str, Any], key: str) -> None:
    other = copy.deepcopy(steady)
    other["machine"][key] = ["sse2"] if key == "features" else "another"
    with pytest.raises(ToolchainError, match=f"unlike machines.*{key}"):
        compare.compare(steady, other)


@pytest.mark.parametrize("key", compare.SETTING_KEYS)
def test_unlike_settings_are_refused(steady: dict[str, Any], key: str) -> None:
    other = copy.deepcopy(steady)
    other["settings"][key] = "another"
    with pytest.raises(ToolchainError, match=f"unlike settings: {key}"):
        compare.compare(steady, other)


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_void_run_is_refused(steady: dict[str, Any], which: str) -> None:
    void = copy.deepcopy(steady)
    void["verdict"]["voided"] = ["the board reported 'throttled' during the run"]
    pair = (void, steady) if which == "first" else (steady, void)
    with pytest.raises(ToolchainError, match=f"the {which} record is void"):
        compare.compare(*pair)


@pytest.mark.parametrize("key", compare.FRAME_KEYS)
def test_other_frames_leave_out_only_the_end_to_end_run(steady: dict[str, Any], key: str) -> None:
    other = copy.deepcopy(steady)
    other["settings"][key] = "another"
    result = compare.compare(steady, other)
    assert [row["scenario"] for row in result["rows"]] == ["single-stream", "multi-stream", "offline"]
    assert any("end-to-end was left out" in remark for remark in result["remarks"])


def test_a_newer_library_is_a_remark(steady: dict[str, Any]) -> None:
    other = copy.deepcopy(steady)
    other["machine"]["numpy"] = "9.9"
    assert any(remark.startswith("numpy: ") for remark in compare.compare(steady, other)["remarks"])


def test_no_engine_in_common(steady: dict[str, Any]) -> None:
    other = copy.deepcopy(steady)
    other["engines"] = {"tflite": other["engines"]["onnx"]}
    with pytest.raises(ToolchainError, match="no engine and scenario in common"):
        compare.compare(steady, other)


def test_the_command(steady: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, record in zip(pair, (steady, slower(steady, 0.5)), strict=True):
        path.write_text(output.dumps(record))
    assert cli.main(["bench", "compare", *map(str, pair)]) == 0
    text = capsys.readouterr().out
    assert text.count("faster") == 4 and "0.500" in text
    assert cli.main(["bench", "compare", *map(str, pair), "--json"]) == 0
    assert {row["verdict"] for row in json.loads(capsys.readouterr().out)["rows"]} == {"faster"}
