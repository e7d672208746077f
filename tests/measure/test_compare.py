"""Two records side by side: only like machines, and no conclusion from unstable figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ToolchainError
from measure import cli, compare, machine, output
from measure.record import Record


def changed(
    record: Record, factor: float = 1.0, unstable: dict[str, tuple[str, ...]] | None = None
) -> Record:
    """The record with every value ``factor`` times what it was, and these scenarios unstable."""
    told = unstable or {}
    each = record.engines["onnx"]
    assert each.frames

    def of(name: str, one: Any) -> Any:
        return replace(
            one, values_ms=tuple(factor * value for value in one.values_ms), unstable=told.get(name, ())
        )

    queries = {name: of(name, one) for name, one in each.queries.items()}
    return replace(
        record, engines={"onnx": replace(each, queries=queries, frames=of("end-to-end", each.frames))}
    )


@pytest.fixture
def steady(record: Record) -> Record:
    """The real run's record with times so even that a conclusion is allowed."""
    each = record.engines["onnx"]
    assert each.frames
    even = tuple(10 + 0.01 * (k % 7) for k in range(30))
    queries = {name: replace(one, values_ms=even) for name, one in each.queries.items()}
    engine = replace(each, queries=queries, frames=replace(each.frames, values_ms=even))
    return changed(replace(record, engines={"onnx": engine}))


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "no difference seen"), (1.1, "slower"), (0.9, "faster")]
)
def test_verdicts(steady: Record, factor: float, verdict: str) -> None:
    rows = compare.compare(steady, changed(steady, factor)).rows
    assert len(rows) == 4
    for row in rows:
        assert row.ratio == pytest.approx(factor, abs=0.01)
        assert row.low <= row.ratio <= row.high and row.verdict == verdict


def test_nothing_is_concluded_from_unstable_figures(steady: Record) -> None:
    other = changed(steady, 5, unstable={"offline": ("the machine was busy",)})
    rows = {row.scenario: row.verdict for row in compare.compare(steady, other).rows}
    assert rows["offline"].startswith("unstable") and rows["single-stream"] == "slower"


@pytest.mark.parametrize("key", machine.MACHINE_KEYS)
def test_unlike_machines_are_refused(steady: Record, key: str) -> None:
    odd: Any = ("sse2",) if key == "features" else "another"
    other = replace(steady, machine=replace(steady.machine, **{key: odd}))
    with pytest.raises(ToolchainError, match=f"unlike machines.*{key}"):
        compare.compare(steady, other)


@pytest.mark.parametrize("key", compare.SETTING_KEYS)
def test_unlike_settings_are_refused(steady: Record, key: str) -> None:
    odd: Any = "another"
    other = replace(steady, settings=replace(steady.settings, **{key: odd}))
    with pytest.raises(ToolchainError, match=f"unlike settings: {key}"):
        compare.compare(steady, other)


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_void_run_is_refused(steady: Record, which: str) -> None:
    reasons = ("the board reported 'throttled' during the run",)
    void = replace(steady, verdict=replace(steady.verdict, voided=reasons))
    pair = (void, steady) if which == "first" else (steady, void)
    with pytest.raises(ToolchainError, match=f"the {which} record is void"):
        compare.compare(*pair)


@pytest.mark.parametrize("key", compare.FRAME_KEYS)
def test_other_frames_leave_out_only_the_end_to_end_run(steady: Record, key: str) -> None:
    odd: Any = "another"
    result = compare.compare(steady, replace(steady, settings=replace(steady.settings, **{key: odd})))
    assert [row.scenario for row in result.rows] == ["single-stream", "multi-stream", "offline"]
    assert any("end-to-end was left out" in remark for remark in result.remarks)


def test_a_newer_library_is_a_remark(steady: Record) -> None:
    other = replace(steady, machine=replace(steady.machine, numpy="9.9"))
    assert any(remark.startswith("numpy: ") for remark in compare.compare(steady, other).remarks)


def test_no_engine_in_common(steady: Record) -> None:
    other = replace(steady, engines={"tflite": steady.engines["onnx"]})
    with pytest.raises(ToolchainError, match="no engine and scenario in common"):
        compare.compare(steady, other)


def test_the_command(steady: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, record in zip(pair, (steady, changed(steady, 0.5)), strict=True):
        path.write_text(output.as_json(record))
    assert cli.main(["compare", *map(str, pair)]) == 0
    text = capsys.readouterr().out
    assert text.count("faster") == 4 and "0.500" in text
    assert cli.main(["compare", *map(str, pair), "--json"]) == 0
    assert {row["verdict"] for row in json.loads(capsys.readouterr().out)["rows"]} == {"faster"}
