"""How a command ends: told to stop, out of disk or memory, without a standard output, or wrong in itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.commands import exits
from edge.errors import DataInvalid, UsageError

MakeBundle = Callable[..., Path]


def wrong(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


ENDS = {
    "usage": (UsageError("two words"), 2, "two words"),
    "known": (DataInvalid("one\nsentence"), 1, "one sentence"),
    "file": (PermissionError(13, "Permission denied", "x.png"), 1, "'x.png': Permission denied"),
    "disk": (OSError(28, "No space left on device"), 1, "No space left on device"),
    "memory": (MemoryError(), 1, "there is not enough memory for this"),
    "opencv memory": (cv2.error("(-4:Insufficient memory) Failed"), 1, "not enough memory"),
    "depth": (RecursionError("maximum recursion depth exceeded"), 1, "nested too deeply"),
    "extra": (
        ModuleNotFoundError("No module named 'torch'", name="torch"),
        1,
        "this needs the package torch: pip install 'ferlite[train]'",
    ),
    "broken package": (
        ImportError("libGL.so.1: cannot open shared object file", name="onnxruntime"),
        1,
        "a package does not load here: libGL.so.1",
    ),
    "opencv": (ImportError("libGL.so.1: no such file", name="cv2"), 1, "OpenCV does not load"),
    "unexpected": (KeyError("k"), 3, "unexpected KeyError: 'k' (set FERLITE_DEBUG=1"),
    "interrupt": (KeyboardInterrupt(), 130, ""),
}


@pytest.mark.parametrize("case", ENDS)
def test_every_end_is_one_sentence_and_its_code(
    case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FERLITE_DEBUG", raising=False)
    error, code, said = ENDS[case]
    assert exits.guard("tea", wrong(error)) == code
    told = capsys.readouterr().err
    assert said in told and len(told.splitlines()) == (1 if said else 0)


def test_the_extras_that_are_named_are_those_that_there_are() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    part = text.partition("[project.optional-dependencies]")[2].partition("[project.scripts]")[0]
    there = {line.partition(" = ")[0] for line in part.splitlines() if " = [" in line}
    assert set(exits.EXTRAS.values()) <= there


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip that takes a while: nobody waits for its end."""
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (160, 128))
    frame = np.zeros((128, 160, 3), np.uint8)
    frame[32:64, 64:96] = 250
    for _ in range(3000):
        writer.write(frame)
    writer.release()
    return tmp_path / "v.avi"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_that_is_told_to_end_finishes_its_files(
    number: signal.Signals, clip: Path, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    command = [
        sys.executable,
        "-m",
        "edge.cli",
        "run",
        str(clip),
        "--bundle",
        str(make_bundle()),
        "--detector",
        "haar",
        "--save",
        "out.mp4",
        "--sink",
        "csv:out.csv",
        "--sink",
        "jsonl:out.jsonl",
        "--quiet",
    ]
    # Who runs the tests by nohup or in the background has these ignored, and children inherit that.
    heed = partial(signal.signal, number, signal.SIG_DFL)
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=heed) as process:  # noqa: PLW1509
        log = tmp_path / "out.jsonl"
        while process.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") > 5):
            time.sleep(0.1)
        process.send_signal(number)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == (130 if number == signal.SIGINT else -number), said
    assert said == b""
    lines = log.read_text().splitlines()
    assert 5 < len(lines) < 3000 and all(json.loads(line)["frame"] == at for at, line in enumerate(lines))
    assert (tmp_path / "out.csv").read_text().endswith("\n")
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert abs(capture.get(cv2.CAP_PROP_FRAME_COUNT) - len(lines)) <= 1
    capture.release()
    assert not list(tmp_path.glob("*.part*")) and not list(tmp_path.glob(".*part*"))


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command.replace("ferlite", f"{sys.executable} -m edge.cli")],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "verb", ["info", "doctor", "run face.png --json", "run face.png --csv", "run face.png"]
)
def test_a_full_or_closed_standard_output_is_one_sentence(
    verb: str, tmp_path: Path, make_bundle: MakeBundle, bright_square: np.ndarray
) -> None:
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    cv2.imwrite(str(tmp_path / "face.png"), bright_square)
    bundle = f"{make_bundle()}" if verb == "info" else f"--bundle {make_bundle()}"
    quiet = " --quiet --detector haar" if verb.startswith("run") else ""
    for where, said in ((">/dev/full", "No space left on device"), (">&-", "standard output is closed")):
        done = shell(f"ferlite {verb} {bundle}{quiet} {where}", tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert said in done.stderr


def test_a_disk_that_fills_up_under_a_video_is_noticed(make_bundle: MakeBundle, tmp_path: Path) -> None:
    """The limit on a file's size fails its writes as a full disk does, and FFmpeg says as little of it."""
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    noise = cv2.VideoWriter(str(tmp_path / "n.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (160, 128))
    for seed in range(30):
        noise.write(np.random.default_rng(seed).integers(0, 255, (128, 160, 3), np.uint8))
    noise.release()
    run = f"ferlite run n.avi --bundle {make_bundle()} --detector haar --quiet --save"
    for name in ("out.mp4", "out.avi", "out.mkv"):
        done = shell(f"ulimit -f 60; trap '' XFSZ; {run} {name} > table.txt", tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert f"cannot write '{name}'" in done.stderr
        assert not (tmp_path / name).exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("--sink jsonl:o.jsonl", "'o.jsonl'"),
        ("--json > o.jsonl", "standard output"),
        ("--json >> o.jsonl", "standard output"),
    ],
)
def test_a_sink_on_a_full_disk_ends_the_run_with_whole_lines(
    words: str, name: str, clip: Path, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    run = f"ferlite run v.avi --most 60 --bundle {make_bundle()} --detector haar --quiet {words}"
    done = shell(f"ulimit -f 2; trap '' XFSZ; {run}", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"cannot write to {name}: File too large" in done.stderr
    lines = (tmp_path / "o.jsonl").read_text().splitlines()
    assert len(lines) > 5 and all(json.loads(line)["frame"] == at for at, line in enumerate(lines))


def test_doctor_starts_where_opencv_does_not(tmp_path: Path, make_bundle: MakeBundle) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: no such file', name='cv2')")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])
    done = shell("ferlite doctor", tmp_path, PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "BAD  opencv" in done.stdout and "pip install --force-reinstall" in done.stdout
    done = shell("ferlite run x.jpg", tmp_path, PYTHONPATH=path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "OpenCV does not load here: libGL.so.1" in done.stderr and "ferlite doctor" in done.stderr


def test_a_user_without_a_home_can_run(
    tmp_path: Path, make_bundle: MakeBundle, bright_square: np.ndarray
) -> None:
    """As in a container: no HOME, and a number that no user has."""
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    cv2.imwrite(str(tmp_path / "face.png"), bright_square)
    code = (
        "import os, pwd, sys\n"
        "for name in ('HOME', 'FERLITE_CACHE', 'XDG_CACHE_HOME'): os.environ.pop(name, None)\n"
        "def nobody(number): raise KeyError(number)\n"
        "pwd.getpwuid = nobody\n"
        "from edge.cli import main\n"
        f"bundle = {str(make_bundle())!r}\n"
        "calls = [['run', 'face.png', '--json', '--bundle', bundle], ['doctor', '--bundle', bundle]]\n"
        "codes = [main(call) for call in calls]\n"
        "codes.append(main(['fetch', 'yunet']))\n"
        "sys.exit(codes != [0, 0, 1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "set FERLITE_CACHE to a folder" in done.stderr and "unexpected" not in done.stderr


def test_names_that_are_not_utf_8_go_through_a_whole_run(
    tmp_path: Path, make_bundle: MakeBundle, bright_square: np.ndarray
) -> None:
    pytest.importorskip("onnxruntime", reason="the pipeline needs an engine")
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes(cv2.imencode(".png", bright_square)[1].tobytes())
    command = [
        sys.executable,
        "-m",
        "edge.cli",
        "run",
        name,
        "--bundle",
        str(make_bundle()),
        "--detector",
        "haar",
        "--sink",
        "csv:o.csv",
        "--sink",
        "jsonl:o.jsonl",
        "--sink",
        "table:-",
        "--save",
        "out",
        "--quiet",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "o.jsonl").read_text())["source"] == name
    assert "caf\\udce9.png" in (tmp_path / "o.csv").read_text() and "caf\\udce9.png" in done.stdout
    assert [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()] == [b"caf\xe9.png"]
