"""The comparison with other software: its clips, its figures, its runners' loop."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.peers import clips, environments, table
from benchmarks.peers.race import Runner

RUNNERS = Path(environments.__file__).parent / "runners"


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = []
    for number, (high, wide) in enumerate(((300, 200), (100, 400), (600, 600))):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), np.full((high, wide, 3), 60 + 60 * number, np.uint8))
        paths.append(path)
    return paths


def frames(path: Path) -> np.ndarray:
    return np.fromfile(path, np.uint8).reshape(-1, clips.HEIGHT, clips.WIDTH, 3)


def test_clips_are_the_same_bytes_from_the_same_photographs(photos: list[Path], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    for name, path in clips.make(photos, first, 4).items():
        assert path.stat().st_size == 4 * clips.FRAME_BYTES
        assert path.read_bytes() == clips.make(photos, second, 4)[name].read_bytes()


def test_a_clip_moves_flickers_and_is_noisy(photos: list[Path], tmp_path: Path) -> None:
    made = frames(clips.make(photos, tmp_path, 20)["one"]).astype(float)
    means = made.mean((1, 2, 3))
    assert np.ptp(means) > 5  # gain
    assert 3 < made[0].std() < 5  # noise on a grey photograph
    assert (made[0] != made[1]).mean() > 0.5


def test_many_shows_every_photograph_in_six_cells(photos: list[Path]) -> None:
    scene = clips.grid([clips.photo(path) for path in photos])
    high, wide = scene.shape[0] // 2, scene.shape[1] // 3
    middles = [
        scene[row * high + high // 2, column * wide + wide // 2, 0] for row in (0, 1) for column in range(3)
    ]
    assert [int(level) for level in middles] == [60, 120, 180, 60, 120, 180]


def test_a_file_that_is_no_picture_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(SystemExit, match="no picture that OpenCV can read"):
        clips.photo(tmp_path / "a.png")


def test_flips_are_counted_on_the_same_face_only() -> None:
    left, right = [0.0, 0.0, 100.0, 100.0], [300.0, 0.0, 100.0, 100.0]
    seen = [
        [[*left, "neutral"], [*right, "anger"]],
        [[*right, "anger"], [*left, "happiness"]],
        [[*left, "happiness"]],
        [[500.0, 300.0, 50.0, 50.0, "fear"]],
    ]
    told = table.clip_figures({"cpu_ms": [1.0, 2, 3, 9], "wall_ms": [1.0, 2, 3, 9], "faces": seen}, 2)
    assert told["flips"] == pytest.approx(100 / 3)
    assert told["faces"] == 1.5 and told["cpu_ms"] == pytest.approx((1.5 + 6) / 2)


def test_a_peer_without_labels_has_no_flips() -> None:
    seen = [[[0.0, 0.0, 9.0, 9.0, None]]] * 3
    told = table.clip_figures({"cpu_ms": [1.0] * 3, "wall_ms": [1.0] * 3, "faces": seen}, 3)
    assert told["flips"] is None


def one(cpu: float) -> dict[str, Any]:
    clip = {"cpu_ms": [cpu] * 4, "wall_ms": [cpu] * 4, "faces": [[]] * 4}
    return {
        "one": clip,
        "many": clip,
        "rss_mib": 90.0,
        "rss_peak_mib": 95.0,
        "gives": "faces only",
        "start": {"raw_s": [0.5, 0.7, 0.6]},
        "installed_bytes": 123_000_000,
    }


def test_ratios_are_ferlites_cost_over_the_peers() -> None:
    peers = {"ferlite": one(5.0), "other": one(20.0)}
    found = table.figures({"peers": peers}, 2)
    assert found["other"]["ratio"] == {"one": 0.25, "many": 0.25}
    assert found["other"]["cold_start_s"] == 0.6 and found["other"]["install_mb"] == 123
    record = {
        "figures": found,
        "peers": peers,
        "not_run": {"gone": "not run: no weights"},
        "date": "2026-01-01",
        "machine": {"cpu": "a CPU", "cores": 2},
        "settings": {"threads": 1, "bundle": "tiny"},
        "loads": [1.0],
        "command": "python -m benchmarks.peers",
    }
    text = table.markdown(record)
    assert (
        "| other | faces only | 20.0 | 20.0 | 0.25 / 0.25 |" in text and "gone: not run: no weights." in text
    )


def test_targets_are_said_to_be_met_or_missed() -> None:
    peers = {"ferlite": one(5.0), "intel": one(10.0), "fer": one(60.0)}
    peers["fer"]["many"] = one(90.0)["many"]
    text = table.targets({"figures": table.figures({"peers": peers}, 2)}, [0.1, 0.2])
    assert "| share of intel's CPU-ms, one / many | 1/2 = 0.500 | 0.500 / 0.500 | met |" in text
    assert "| share of fer's CPU-ms, one / many | 1/15 = 0.067 | 0.083 / 0.056 | missed / met |" in text
    assert "| share of EmotiEffLib's CPU-ms, one / many | 1/12 = 0.083 | not run | |" in text
    assert "| RSS, MB | 120 | 94 | met |" in text and "| install, MB | 110 | 123 | missed |" in text
    assert "| overhead around the engines, one / many | 0.15 | 0.10 / 0.20 | met / missed |" in text


def test_every_runner_is_there_and_imports_no_second_peer() -> None:
    for peer in environments.PEERS:
        assert (RUNNERS / peer.runner).is_file()
    assert {path.name for path in RUNNERS.glob("run_*.py")} == {peer.runner for peer in environments.PEERS}


def test_a_runner_answers_with_the_frames_it_was_asked_for(photos: list[Path], tmp_path: Path) -> None:
    clip = clips.make(photos, tmp_path, 3)["one"]
    program = tmp_path / "run.py"
    program.write_text(
        f"import sys\nsys.path.insert(0, {str(RUNNERS)!r})\nfrom loop import serve\nprint('chatter')\n"
        "serve(lambda frame, index: [(index, 0, 10, float(frame.mean()), 'neutral')])\n"
    )
    runner = Runner("toy", [sys.executable, str(program)], 1, clip)
    try:
        told = runner.chunk(clip, 1, 2)
        assert runner.memory_mib()[0] > 1 and runner.start_s > 0
    finally:
        runner.close()
    assert [faces[0][0] for faces in told["faces"]] == [1.0, 2.0]
    assert [faces[0][3] for faces in told["faces"]] == pytest.approx(frames(clip)[1:].mean((1, 2, 3)))
    assert len(told["wall_ms"]) == len(told["cpu_ms"]) == 2 and min(told["wall_ms"]) > 0


def test_a_peer_that_breaks_down_says_why(photos: list[Path], tmp_path: Path) -> None:
    clip = clips.make(photos, tmp_path, 1)["one"]
    with pytest.raises(SystemExit, match=r"toy broke down: .*no weights here"):
        Runner("toy", [sys.executable, "-c", "raise SystemExit('no weights here')"], 1, clip)


def test_ferlites_runner_reads_faces(bundle: Path, tmp_path: Path, data: Path) -> None:
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[107:160, 160:213] = 250  # a cell of the tiny detector, at the size a video is searched
    clip = tmp_path / "clip.raw"
    clip.write_bytes(frame.tobytes())
    words = [str(RUNNERS / "run_ferlite.py"), str(bundle), str(data / "tiny_yunet.onnx"), "1"]
    order = json.dumps({"clip": str(clip), "first": 0, "count": 1}) + "\n"
    done = subprocess.run([sys.executable, *words], input=order, capture_output=True, text=True, check=True)
    (face,) = json.loads(done.stdout)["faces"][0]
    assert 90 < face[0] < 150 and face[4]
