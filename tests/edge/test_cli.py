"""The command line, run as a user runs it: in a process of its own, with real files."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge import engine as engines
from edge.errors import FerliteError

DATA = Path(__file__).parent.parent / "data"
MakeBundle = Callable[..., Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def ferlite(make_bundle: MakeBundle, tmp_path: Path) -> Run:
    """Runs ``ferlite`` in ``tmp_path`` with the tiny bundle and the tiny detector."""
    try:
        engines.choose("auto", ["onnx"])
    except FerliteError as error:
        pytest.skip(str(error))
    bundle = make_bundle()

    def run(
        *arguments: str, env: dict[str, str] | None = None, files: int = 0
    ) -> subprocess.CompletedProcess[str]:
        extra = []
        if arguments and arguments[0] == "run" and "--config" not in arguments:
            extra = ["--bundle", str(bundle), "--detector-model", str(DATA / "tiny_yunet.onnx")]
            extra += [] if "--detect-size" in arguments else ["--detect-size", "160"]
        return subprocess.run(
            [sys.executable, "-m", "edge.cli", *arguments, *extra],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
            env={**os.environ, "FERLITE_CACHE": str(tmp_path / "cache"), **(env or {})},
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_NOFILE, (files, files)) if files else None,
        )

    return run


@pytest.fixture
def picture(tmp_path: Path, bright_square: np.ndarray) -> Path:
    assert cv2.imwrite(str(tmp_path / "face.png"), bright_square)
    return tmp_path / "face.png"


def video(path: Path, frame: np.ndarray, count: int = 6) -> Path:
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (frame.shape[1], frame.shape[0])
    )
    for _ in range(count):
        writer.write(frame)
    writer.release()
    return path


def check_face(face: dict[str, Any]) -> None:
    assert face["box"] == pytest.approx([48, 16, 64, 64], abs=0.5)
    assert face["score"] == pytest.approx(250 / 255, abs=0.02)
    assert len(face["landmarks"]) == 5
    assert list(face["weights"]) == [
        "anger",
        "disgust",
        "fear",
        "happiness",
        "sadness",
        "surprise",
        "neutral",
    ]
    assert sum(face["weights"].values()) == pytest.approx(1, abs=0.001)
    assert face["expression"] == max(face["weights"], key=face["weights"].__getitem__)
    assert face["label"] == ("uncertain" if face["doubts"] else face["expression"])


def test_json_lines(ferlite: Run, picture: Path) -> None:
    done = ferlite("run", "face.png", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    record = json.loads(line)
    assert {key: record[key] for key in ("schema", "source", "frame", "time", "width", "height")} == {
        "schema": 1,
        "source": "face.png",
        "frame": 0,
        "time": None,
        "width": 160,
        "height": 128,
    }
    (face,) = record["faces"]
    check_face(face)
    assert face["track"] is None


def test_json_lines_are_as_documented(ferlite: Run, picture: Path) -> None:
    record = json.loads(ferlite("run", "face.png", "--json").stdout)
    page = (Path(__file__).parents[2] / "docs" / "json-lines.md").read_text()
    for key in (*record, *record["faces"][0]):
        assert f"| `{key}` |" in page, f"docs/json-lines.md does not describe '{key}'"


def test_table_fits_80_columns(
    ferlite: Run, picture: Path, bright_square: np.ndarray, tmp_path: Path
) -> None:
    video(tmp_path / "v.avi", bright_square)
    for name in ("face.png", "v.avi"):
        done = ferlite("run", name)
        assert done.returncode == 0
        assert "neu" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80
    assert "face 1  box 48,16 64x64  score 0.98" in ferlite("run", "face.png").stdout


def test_csv(ferlite: Run, picture: Path) -> None:
    done = ferlite("run", "face.png", "face.png", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 2
    assert float(rows[0]["happiness"]) > 0
    assert rows[0]["x"] == "48.0"


def test_a_video_has_times_and_one_track(ferlite: Run, bright_square: np.ndarray, tmp_path: Path) -> None:
    video(tmp_path / "v.avi", bright_square)
    done = ferlite("run", "v.avi", "--json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [record["time"] for record in records] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert {record["faces"][0]["track"] for record in records} == {1}


def test_saving_pictures_and_privacy(ferlite: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = np.zeros((320, 400, 3), np.uint8)  # room beside the face for the panel
    frame[32:64, 64:96] = rng.integers(200, 256, (32, 32, 3))
    cv2.imwrite(str(tmp_path / "f.png"), frame)
    assert ferlite("run", "f.png", "--save", "plain.png", "--detect-size", "400").returncode == 0
    assert (
        ferlite("run", "f.png", "--save", "hidden.png", "--privacy", "--detect-size", "400").returncode == 0
    )
    plain, hidden = cv2.imread(str(tmp_path / "plain.png")), cv2.imread(str(tmp_path / "hidden.png"))
    assert plain.shape == hidden.shape == frame.shape
    inside = (slice(36, 60), slice(68, 92))  # inside the face, clear of box and panel
    assert (plain[inside] == frame[inside]).all()
    assert hidden[inside].std() < plain[inside].std() / 2
    assert not (tmp_path / "plain.png.part").exists()


def test_saving_a_folder_and_a_video(
    ferlite: Run, picture: Path, bright_square: np.ndarray, tmp_path: Path
) -> None:
    assert ferlite("run", "face.png", "face.png", "--save", "out").returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["face-2.png", "face.png"]
    video(tmp_path / "v.avi", bright_square)
    assert ferlite("run", "v.avi", "--save", "w.mp4").returncode == 0
    capture = cv2.VideoCapture(str(tmp_path / "w.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 6
    assert capture.get(cv2.CAP_PROP_FPS) == 10
    capture.release()


def test_more_videos_than_files_can_be_open_are_read(
    ferlite: Run, bright_square: np.ndarray, tmp_path: Path
) -> None:
    film = video(tmp_path / "v.avi", bright_square, 2).read_bytes()
    names = [f"{number}.avi" for number in range(80)]
    for name in names:
        (tmp_path / name).write_bytes(film)
    done = ferlite("run", *names, "nowhere.avi", "--json", "--quiet", files=64)
    assert (done.returncode, done.stderr) == (1, "ferlite: no such file or folder: 'nowhere.avi'\n")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["source"] for record in records] == [name for name in names for _ in range(2)]


def test_most_counts_the_frames_of_all_sources(
    ferlite: Run, picture: Path, bright_square: np.ndarray, tmp_path: Path
) -> None:
    video(tmp_path / "v.avi", bright_square)
    video(tmp_path / "w.avi", bright_square)
    done = ferlite("run", "v.avi", "w.avi", "face.png", "--most", "8", "--json")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["source"] for record in records] == ["v.avi"] * 6 + ["w.avi"] * 2


def test_bad_files_are_named_the_others_go_on_and_the_end_is_1(
    ferlite: Run, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(picture.read_bytes()[:100])
    done = ferlite("run", "empty.jpg", "cut.png", "nowhere.png", "face.png", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["source"] == "face.png"
    assert sorted(done.stderr.splitlines()) == [
        "ferlite: 'cut.png' is cut short: the PNG's end is missing",
        "ferlite: 'empty.jpg' is empty",
        "ferlite: no such file or folder: 'nowhere.png'",
    ]


USAGE = {
    "no source": (["run"], 2, "nothing to look at"),
    "unknown command": (
        ["frobnicate"],
        2,
        "unknown command 'frobnicate': choose run, serve, info, doctor, fetch",
    ),
    "unknown option": (["run", "--frob", "x"], 2, "unrecognized arguments: --frob"),
    "not a number": (
        ["run", "face.png", "--threads", "two"],
        2,
        "argument --threads: 'two' must be a whole number",
    ),
    "negative": (
        ["run", "face.png", "--threads", "-1"],
        2,
        "argument --threads: '-1' must be a whole number from 0 to 256",
    ),
    "every": (
        ["run", "face.png", "--detect-every", "1001"],
        2,
        "argument --detect-every: '1001' must be a whole number from 0 to 1000",
    ),
    "late": (
        ["run", "face.png", "--save", "x.png", "--privacy", "--detect-every", "2"],
        2,
        "--privacy searches every frame: it does not go with --detect-every 2",
    ),
    "score": (
        ["run", "face.png", "--detect-score", "3"],
        2,
        "argument --detect-score: '3' must be a number from 0 to 1",
    ),
    "both on stdout": (
        ["run", "face.png", "--json", "--csv"],
        2,
        "two outputs cannot both go to standard output",
    ),
    "privacy alone": (["run", "face.png", "--privacy"], 2, "--save"),
    "unknown engine": (["run", "face.png", "--engine", "onxx"], 1, "unknown engine 'onxx'"),
    "unknown detector": (["run", "face.png", "--detector", "dlib"], 1, "unknown detector 'dlib'"),
    "prior": (["run", "face.png", "--prior", "mum"], 2, "was made before priors were kept apart"),
    "unknown bundle": (["info", "nowhere"], 1, "no bundle 'nowhere'"),
    "unknown weights": (["fetch", "mtcnn"], 2, "choose yunet"),
    "sink folder": (["run", "face.png", "--sink", "jsonl:no/such/file"], 1, "cannot write 'no/such/file'"),
    "save suffix": (["run", "face.png", "--save", "x.docx"], 1, "cannot save a picture as 'x.docx'"),
    "config": (["run", "--config", "nowhere.json"], 2, "'nowhere.json' cannot be read: No such file"),
}


@pytest.mark.parametrize("case", USAGE, ids=lambda case: case.replace(" ", "-"))
def test_a_wrong_call_is_one_sentence(ferlite: Run, picture: Path, case: str) -> None:
    arguments, code, sentence = USAGE[case]
    done = ferlite(*arguments)
    assert done.returncode == code
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_deployed_board_reads_its_settings_from_a_file(
    ferlite: Run, picture: Path, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    config = {
        "schema": 1,
        "source": "face.png",
        "bundle": str(make_bundle(name="other")),
        "engine": "auto",
        "engine_order": ["openvino", "onnx"],
        "threads": 1,
        "device": "CPU",
        "detector": "yunet",
        "detector_model": str(DATA / "tiny_yunet.onnx"),
        "detect_size": 160,
        "detect_every": 2,
        "sink": ["jsonl:-"],
    }
    (tmp_path / "edge.json").write_text(json.dumps(config))
    done = ferlite("run", "--config", "edge.json")
    assert done.returncode == 0, done.stderr
    check_face(json.loads(done.stdout)["faces"][0])
    (tmp_path / "edge.json").write_text(json.dumps({**config, "prior": "nobody"}))
    done = ferlite("run", "--config", "edge.json")
    assert done.returncode == 2 and "was made before priors were kept apart" in done.stderr
    (tmp_path / "edge.json").write_text(json.dumps({**config, "detecter": "haar"}))
    done = ferlite("run", "--config", "edge.json")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "unknown key 'detecter'; valid keys: source, bundle" in done.stderr


def test_systemd_hears_of_frames_and_of_nothing_else(
    ferlite: Run, picture: Path, bright_square: np.ndarray, tmp_path: Path
) -> None:
    video(tmp_path / "v.avi", bright_square)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(1)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2"}
        assert ferlite("run", "v.avi", "--json", "--notify", env=env).returncode == 0
        messages = [listener.recv(100) for _ in range(6)]
        assert messages[0] == b"READY=1\nWATCHDOG=1"
        assert set(messages[1:]) == {b"WATCHDOG=1"}
        ferlite("run", "nowhere.avi", "--notify", env=env)
        with pytest.raises(TimeoutError):
            listener.recv(100)


def test_info_and_doctor(ferlite: Run, make_bundle: MakeBundle) -> None:
    bundle = make_bundle(name="tiny")
    facts = json.loads(ferlite("info", str(bundle), "--json").stdout)
    assert facts["labels"][0] == "anger"
    assert set(facts["bytes"]) == {"onnx", "tflite", "openvino"}
    assert "digest good" in ferlite("info", str(bundle)).stdout
    done = ferlite("doctor", "--bundle", str(bundle), "--json")
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0
    assert findings["bundle"]["state"] == "good"
    assert findings["yunet"]["text"].endswith("ferlite fetch yunet")
    (bundle / "tiny.onnx").write_bytes(b"x")
    done = ferlite("doctor", "--bundle", str(bundle))
    assert done.returncode == 1
    assert "BAD  bundle" in done.stdout


def test_help_and_version(ferlite: Run) -> None:
    assert "ferlite-boards" in ferlite("--help").stdout
    assert ferlite("--version").stdout.startswith("ferlite ")
    assert "so often, 0 for in every frame (default: 0.5)" in " ".join(
        ferlite("run", "--help").stdout.split()
    )
    assert ferlite().returncode == 0


def test_another_command_is_handed_over(ferlite: Run, tmp_path: Path) -> None:
    script = tmp_path / "bin" / "ferlite-hello"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\necho "hello $*"\nexit 7\n')
    script.chmod(0o755)
    done = ferlite("hello", "you", "--there", env={"PATH": f"{script.parent}:{os.environ['PATH']}"})
    assert (done.returncode, done.stdout) == (7, "hello you --there\n")


def test_a_reader_that_leaves_early_is_no_error(
    make_bundle: MakeBundle, bright_square: np.ndarray, tmp_path: Path
) -> None:
    video(tmp_path / "v.avi", bright_square, 60)
    command = (
        f"{sys.executable} -m edge.cli run v.avi --json --bundle {make_bundle()} --detector haar | head -1"
    )
    shell = ["bash", "-c", f"set -o pipefail; {command}"]
    done = subprocess.run(shell, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
