"""The soak, shortened: that it runs, ends well, and sees what it should."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="its photograph is the camera's scene: pip install -e '.[dev]'")
pytest.importorskip("aiohttp", reason="the benchmark's film is that of serve_load, which needs aiohttp")

from benchmarks.growth import figures, slope, steps
from benchmarks.soak import ended, of_its_own

ROOT = Path(__file__).parents[2]


def test_a_line_is_found_with_its_error() -> None:
    moments = [float(moment) for moment in range(0, 86400, 600)]
    found = slope(moments, [100 + moment / 86400 for moment in moments])
    assert (found.mb_a_day, found.standard_error) == (1.0, 0.0)
    wavy = slope(moments, [100 + (-1) ** index for index, _ in enumerate(moments)])
    assert abs(wavy.mb_a_day) < 2 * wavy.standard_error


def test_the_warm_up_does_not_count() -> None:
    samples = [
        {
            "s": second,
            "rss_mb": min(second, 20),
            "threads": 1 + (second > 10),
            "descriptors": 4,
            "cpu_s": second / 2,
        }
        for second in range(101)
    ]
    found = figures(samples)
    assert found["rss_mb"] == {"start": 0, "middle": 20, "first": 20, "last": 20, "most": 20}
    assert found["threads"]["first"] == found["threads"]["last"] == 2
    assert (found["slope"]["mb_a_day"], found["cpu_s_a_second"]) == (0.0, 0.5)


def test_a_step_is_named_and_is_no_slope() -> None:
    moments = [3.0 * index for index in range(400)]
    megabytes = [100 + 0.002 * (index % 3) + 0.5 * (index >= 250) for index, _ in enumerate(moments)]
    found = steps(moments, megabytes)
    assert [(step["s"], step["mb"]) for step in found] == [(750.0, 0.5)]
    assert slope(moments, megabytes).mb_a_day > 10
    assert abs(slope(moments, megabytes, [750.0]).mb_a_day) < 0.1


def test_a_leak_is_a_slope_and_no_step() -> None:
    moments = [3.0 * index for index in range(400)]
    megabytes = [100 + moment / 86400 * 50 for moment in moments]
    assert steps(moments, megabytes) == []
    assert slope(moments, megabytes).mb_a_day == 50.0


def test_a_run_ends_by_ctrl_c_whatever_its_starter_ignores() -> None:
    lines = (
        "import sys, time",
        "try: print('up', flush=True); time.sleep(60)",
        "except KeyboardInterrupt: sys.exit(130)",
    )
    order = [sys.executable, "-c", "\n".join(lines)]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        prepare = partial(of_its_own, 350)
        with subprocess.Popen(order, stdout=subprocess.PIPE, preexec_fn=prepare) as process:  # noqa: PLW1509
            assert process.stdout is not None and process.stdout.readline() == b"up\n"
            assert ended(process) == 130
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.parametrize("much", [("--minutes", "0.5"), ("--frames", "3000")])
def test_a_short_soak_keeps_its_threads_and_descriptors(much: tuple[str, str], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    record = tmp_path / "soak.json"
    order = [sys.executable, "-m", "benchmarks.soak", *much, "--save", str(record)]
    order += ["--detector-model", str(ROOT / "tests" / "data" / "tiny_yunet.onnx")]
    done = subprocess.run(order, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(record.read_text())
    assert any(" from capture to reading " in line for line in found["said"])
    for what in ("threads", "descriptors"):
        assert found[what]["last"] <= found[what]["first"], found[what]
    assert found["rss_mb"]["most"] < found["limit_mb"]
    if much[0] == "--minutes":
        assert found["lines"] > 0 and found["connections_cut"] == 4
        assert sum("is back after" in line for line in found["said"]) >= 1
