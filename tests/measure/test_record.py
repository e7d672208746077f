"""What one real run of ``ferlite bench`` writes."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from edge.errors import StorageFailed, ToolchainError
from edge.files import write_text
from measure import cli, machine, output, page, stats
from measure import record as records
from measure.record import Measured, Record
from measure.stages import STAGES
from tests.pages.reading import bars_of, plots_in, stands_alone

ROOT = Path(__file__).parent.parent.parent
SCENARIOS = ["single-stream", "multi-stream", "offline", "end-to-end"]


def onnx(record: Record) -> Measured:
    return record.engines["onnx"]


def test_every_scenario_keeps_its_raw_times_and_its_figures_are_of_them(record: Record) -> None:
    assert list(onnx(record).scenarios) == SCENARIOS
    for one in onnx(record).scenarios.values():
        assert len(one.raw_ms) >= 12 and min(one.raw_ms) > 0 and one.warm_ups_ms
        for name, share in (("median_ms", 0.5), ("p90_ms", 0.9), ("p95_ms", 0.95), ("p99_ms", 0.99)):
            assert getattr(one, name) == stats.percentile(one.raw_ms, share)
        assert one.values_ms == pytest.approx(stats.values(one.raw_ms), rel=0.02)
        assert one.cpu_ms > 0


def test_queries_hold_the_faces_that_were_asked_for(record: Record) -> None:
    assert [one.faces_per_query for one in onnx(record).queries.values()] == [1, 5, 32]
    one = onnx(record).queries["offline"]
    assert one.rate == pytest.approx(32e3 * one.queries / sum(one.raw_ms), rel=0.01)


def test_a_frames_stages_add_up_to_the_frame(record: Record) -> None:
    one = onnx(record).frames
    assert one and list(one.stages) == list(STAGES)
    assert one.frames == 12 and one.raw_faces == (1,) * 12 and one.frame_px == (160, 128)
    for index, total in enumerate(one.raw_ms):
        parts = sum(part.raw_ms[index] for part in one.stages.values())
        assert parts == pytest.approx(total, abs=0.001)
        assert 0 <= one.raw_engine_ms[index] < total
    assert one.overhead and one.overhead > 0
    # Flat squares cannot be followed through the JPEG noise of every frame.
    assert one.detect_every == 0 and 1 <= one.searches <= 12 and sum(one.raw_engine_ms) > 0
    assert one.searches == sum(time > 0 for time in one.stages["detect"].raw_ms)
    assert all(time > 0 for time in one.stages["decode"].raw_ms)


def test_the_record_says_where_and_with_what(record: Record, clip: Path, digest: Any) -> None:
    assert replace(record.machine, load=None) == replace(machine.here(), load=None)
    assert onnx(record).version.startswith("onnxruntime ")
    assert record.settings.threads == 1
    assert record.settings.source == "clip.avi" and record.settings.source_digest == digest(clip)
    # Before, after each of four scenarios, after the engine, at the end.
    assert len(record.moments) == 7
    found = onnx(record).chosen
    assert found and found.detector == "yunet"
    assert "/" not in record.command.replace("command:echo", "")
    assert record.command.startswith("ferlite bench tiny --threads 1")


def test_cold_start_and_memory_are_of_ferlite_run(record: Record) -> None:
    start = onnx(record).start
    assert start.what == "ferlite run" and start.faces_in_first_reading == 1
    assert len(start.raw) == 1 and start.first_reading_s > 0 and start.process_cpu_s > 0
    assert start.rss_steady_mib and start.rss_peak_mib
    assert 10 < start.rss_steady_mib <= start.rss_peak_mib < 1000


def test_power_is_what_the_sensor_said(record: Record) -> None:
    power = onnx(record).power
    assert power and power.idle_w == power.running_w == 2.5 and power.joules_each_above_idle == 0
    assert power.joules_each == pytest.approx(2.5 / power.per_second, abs=1e-3)
    assert power.unit == "frame" and power.leaves_out and set(power.raw_running_w) == {2.5}
    # The window is the sensor's own least, not the shorter one that was asked for.
    assert power.running_seconds >= 5


def test_json_has_a_line_for_a_list_and_not_for_a_number(files: dict[str, Path], record: Record) -> None:
    text = files["json"].read_text()
    assert output.as_json(record) == text
    assert len(text.splitlines()) < 400
    assert not list(files["json"].parent.glob("*.part"))
    table = json.loads(text)
    assert table["before"] == table["moments"][0] and table["after"] == table["moments"][-1]


def test_csv_has_a_row_for_each_scenario_and_stage(files: dict[str, Path], record: Record) -> None:
    rows = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert [row["scenario"] for row in rows if not row["stage"]] == SCENARIOS
    assert [row["stage"] for row in rows if row["stage"]] == list(STAGES)
    assert float(rows[0]["p90_ms"]) == onnx(record).scenarios["single-stream"].p90_ms
    assert {row["digest"] for row in rows} == {record.bundle.digest}


def test_the_table_fits_80_columns_and_has_every_scenario(record: Record) -> None:
    lines = output.table(
        replace(
            record,
            verdict=replace(record.verdict, voided=("the board reported 'throttled' during the run",)),
            skipped={"tflite": "engine 'tflite' needs the ai-edge-litert package " * 3},
        )
    ).splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert all(f"\n  {name}" in text for name in SCENARIOS)
    assert "VOID" in text and "tflite was not measured" in text and "2.50 W idle" in text


def test_the_page_stands_alone_and_its_plots_are_well_formed(files: dict[str, Path], record: Record) -> None:
    text = files["html"].read_text()
    assert text == page.page(record)
    assert stands_alone(text)
    assert len(plots_in(text)) == 2 * len(SCENARIOS) + 2


def test_the_stages_of_a_frame_lie_end_to_end(record: Record) -> None:
    frames = onnx(record).frames
    assert frames
    means = [part.mean_ms for part in frames.stages.values() if part.mean_ms > 0]
    (drawn,) = [
        each for each in plots_in(page.page(record)) if 'id="stacked' in ElementTree.tostring(each, "unicode")
    ]
    wide = [right - left for left, right in bars_of(drawn)]
    scale = sum(wide) / sum(means)
    assert wide == pytest.approx([scale * each for each in means], abs=0.5)


def test_names_in_the_page_are_escaped(record: Record) -> None:
    odd = replace(
        record,
        bundle=replace(record.bundle, name="<script>alert(1)</script>"),
        engines={'<b onclick="x">': onnx(record)},
    )
    text = page.page(odd)
    assert "<script" not in text and "<b onclick" not in text


@pytest.mark.parametrize("clip", ["one", "many"])
def test_records_of_before_can_be_read(clip: str) -> None:
    path = ROOT / "benchmarks" / "records" / f"bench-{clip}.json"
    record = records.read(path)
    assert list(onnx(record).scenarios) == SCENARIOS and record.machine.cpu
    assert onnx(record).power is None and "not measurable" in onnx(record).no_power
    assert records.as_table(record).keys() == json.loads(path.read_text()).keys()
    assert stands_alone(page.page(record)) and "frames  120" in output.table(record)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a record"),
        ('{"kind": "other"}', "is not a record"),
        ('{"kind": "ferlite bench", "schema": 99}', "schema 99"),
        ('{"kind": "ferlite bench", "schema": 1}', "is not a whole record: 'machine' is missing"),
    ],
    ids=["empty", "deep", "list", "other", "newer", "torn"],
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(ToolchainError, match=why):
        records.read(path)


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "is-a-folder"
    target.mkdir()
    with pytest.raises(StorageFailed, match="cannot write"):
        write_text(target, "text")
    assert list(tmp_path.iterdir()) == [target]


def test_without_a_source_the_network_alone_is_measured(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(bundle), "--seconds", "0.02", "--starts", "1", "--power", "none", "--json"]
    assert cli.main([*words, "--faces", "2", "--batch", "3"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["engines"]["onnx"]["power"] == {"measured": False, "why": "not asked for"}
    record = records.of_table(table, "what was printed")
    assert [one.faces_per_query for one in onnx(record).queries.values()] == [1, 2, 3]
    assert onnx(record).start.what == "engine and network alone"
    assert record.settings.source is None
    assert "not measured: no source" in page.page(record)


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["no-such-bundle"], 1, "no bundle 'no-such-bundle'"),
        (["{bundle}", "--engines", "onxx"], 1, "unknown engine 'onxx'"),
        (["{bundle}", "--engines", "all,onnx"], 2, "takes all, auto, or names"),
        (["{bundle}", "--engines", ","], 2, "--engines is empty"),
        (["{bundle}", "--seconds", "0"], 2, "--seconds is 0"),
        (["{bundle}", "--frames", "3"], 2, "--frames is 3"),
        (["{bundle}", "--threads", "-1"], 2, "--threads is -1"),
        (["{bundle}", "--detect-size", "5"], 2, "--detect-size is 5"),
        (["{bundle}", "--detect-every", "-1"], 2, "--detect-every is -1"),
        (["{bundle}", "--source", "no-such.mp4"], 1, "no such file or folder"),
        (["{bundle}", "--source", "{bundle}/bundle.json"], 1, "neither a picture nor a video"),
        (["{bundle}", "--power", "volts"], 2, "unknown power sensor 'volts'"),
        (["{bundle}", "--power", "command:false"], 1, "failed"),
        (["{bundle}", "--record", "no/such/folder/a.json"], 2, "there is no folder"),
        (["{bundle}", "{bundle}"], 2, "one bundle, not 2"),
        (["compare", "a.json"], 2, "takes two records"),
        (["compare", "a.json", "b.json"], 1, "'a.json' cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_before_anything_is_measured(
    bundle: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, why: str
) -> None:
    assert cli.main([word.format(bundle=bundle) for word in words]) == code
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and why in told.err


def test_a_fault_in_the_measuring_process_is_one_sentence_too(
    bundle: Path, clip: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    saved = tmp_path / "record.json"
    words = ["--seconds", "0.02", "--source", str(clip), "--detector", "haar", "--detector-model", str(clip)]
    assert cli.main([str(bundle), *words, "--record", str(saved)]) == 1
    told = capsys.readouterr()
    assert "is not a Haar cascade" in told.err and told.err.count("\n") == 1
    assert not saved.exists()
