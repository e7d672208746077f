"""``ferlite serve`` as a user types it, and ``ferlite run`` on what it serves: as live as any camera."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.serve.conftest import DATA, Live
from tests.serve.test_stills import png

pytest.importorskip("aiohttp", reason="ferlite serve needs aiohttp: pip install 'ferlite[serve]'")

MakeBundle = Callable[..., Path]
Start = Callable[..., Live]


@pytest.fixture
def command(make_bundle: MakeBundle) -> Callable[..., list[str]]:
    bundle = make_bundle(name="typed")

    def made(verb: str, *words: str) -> list[str]:
        tiny = [
            "--bundle",
            str(bundle),
            "--detector-model",
            str(DATA / "tiny_yunet.onnx"),
            "--detect-size",
            "320",
        ]
        return [sys.executable, "-m", "edge.cli", verb, *words, *tiny]

    return made


@contextmanager
def serving(order: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the address that it says."""
    # Who runs the tests in the background has Ctrl-C ignored, and children inherit that.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        order,
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed,  # noqa: PLW1509
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if match := re.search(r"serving at (\S+)", line):
                    yield process, match[1]
                    break
            else:
                raise AssertionError("it never served")
        finally:
            process.kill()


def test_a_video_is_served_until_ctrl_c(
    command: Callable[..., list[str]], film: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    with serving(command("serve", film.name, "--listen", "0", "--detector", "yunet"), tmp_path) as (
        process,
        address,
    ):
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert b"<title>ferlite" in answer.read()
        with urllib.request.urlopen(f"{address}read", png(frames[0]), timeout=60) as answer:
            assert len(json.load(answer)["faces"]) == 1
        with urllib.request.urlopen(f"{address}metrics", timeout=30) as answer:
            assert b"ferlite_frames_total" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_stills_alone_and_a_token_where_others_can_reach_it(
    command: Callable[..., list[str]], frames: list[np.ndarray], tmp_path: Path
) -> None:
    with serving(command("serve", "--listen", "0.0.0.0:0"), tmp_path) as (process, address):
        port, token = re.findall(r"http://0\.0\.0\.0:(\d+)/\?token=(\S+)", address)[0]
        request = urllib.request.Request(f"http://127.0.0.1:{port}/read", png(frames[0]))
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request, timeout=60)
        request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert len(json.load(answer)["faces"]) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM


WRONG = {
    "pictures": (["face.png"], 2, "serve shows what moves, and 'face.png' does not"),
    "missing": (["nowhere.mp4"], 1, "no such file or folder: 'nowhere.mp4'"),
    "address": (["--listen", "here"], 2, "--listen is 'here', and must be HOST:PORT or PORT"),
    "token": (["--token-file", "nowhere"], 2, "cannot read the token in 'nowhere'"),
    "host": (["--listen", "a..b:8600"], 2, "--listen is 'a..b:8600', and must be HOST:PORT or PORT"),
    "two": (["a.mp4", "b.mp4"], 2, "unrecognized arguments: b.mp4"),
    "engine": (["film.avi", "--engine", "onxx", "--listen", "0"], 1, "unknown engine 'onxx'"),
    "password": (["film.avi", "--mqtt-password", "x"], 2, "add --mqtt URL"),
}


LOST = {
    "film": (["film.avi", "--sink", "jsonl:film.avi"], "'film.avi' has the name of a picture or a video"),
    "saved": (["file://{}/film.avi", "--config", "edge.json"], "'film.avi' is read in this run"),
    "token": (["film.avi", "--token-file", "token", "--sink", "jsonl:token"], "'token' is read in this run"),
    "config": (["film.avi", "--config", "edge.json", "--sink", "csv:edge.json"], "is read in this run"),
}


@pytest.mark.parametrize("case", LOST)
def test_nothing_that_is_read_is_written_over(
    command: Callable[..., list[str]], film: Path, tmp_path: Path, case: str
) -> None:
    (tmp_path / "token").write_text("correct-horse-battery\n")
    (tmp_path / "edge.json").write_text(json.dumps({"schema": 1, "save": film.name}))
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    words, sentence = LOST[case]
    order = command("serve", *(word.format(tmp_path) for word in words), "--listen", "0")
    done = run(order, tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert sentence in done.stderr
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_is_one_sentence(
    command: Callable[..., list[str]], film: Path, frames: list[np.ndarray], tmp_path: Path, case: str
) -> None:
    words, code, sentence = WRONG[case]
    (tmp_path / "face.png").write_bytes(png(frames[0]))
    done = subprocess.run(command("serve", *words), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
    assert sentence in done.stderr


def run(order: list[str], folder: Path, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        order, cwd=folder, stderr=subprocess.PIPE, text=True, check=False, timeout=120, **more
    )


def test_a_full_disk_does_not_stop_a_camera(
    command: Callable[..., list[str]], start: Start, tmp_path: Path
) -> None:
    """A live source goes on, without what is lost; the other sink has every frame."""
    camera = f"http://127.0.0.1:{start(video=True).port}/video"
    done = run(
        command("run", camera, "--sink", "jsonl:/dev/full", "--sink", "jsonl:good.jsonl", "--most", "20"),
        tmp_path,
    )
    assert done.returncode == 1
    said = done.stderr.splitlines()
    assert [line for line in said if "'/dev/full'" in line] == [
        "ferlite: '/dev/full': 1 frame lost so far: cannot write to '/dev/full': No space left on device",
        "ferlite: '/dev/full': 20 frames lost in all: cannot write to '/dev/full': No space left on device",
    ]
    assert len((tmp_path / "good.jsonl").read_text().splitlines()) == 20


def test_frames_that_are_lost_while_serving_make_the_end_1(
    command: Callable[..., list[str]], start: Start, tmp_path: Path
) -> None:
    camera = f"http://127.0.0.1:{start(video=True).port}/video"
    order = command("serve", camera, "--listen", "0", "--sink", "jsonl:/dev/full", "--most", "5")
    done = run(order, tmp_path)
    assert "'/dev/full': 5 frames lost in all" in done.stderr
    assert done.returncode == 1


def test_a_video_file_stops_at_once_where_nothing_can_be_written(
    command: Callable[..., list[str]], film: Path, tmp_path: Path
) -> None:
    """It can be read again, so that nothing is lost by stopping."""
    done = run(command("run", film.name, "--sink", "jsonl:/dev/full"), tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cannot write to '/dev/full': No space left on device" in done.stderr


def test_a_slow_consumer_does_not_stop_a_camera(
    command: Callable[..., list[str]], start: Start, tmp_path: Path
) -> None:
    camera = f"http://127.0.0.1:{start(video=True).port}/video"
    reading, writing = os.pipe()
    fcntl.fcntl(writing, 1031, 4096)  # F_SETPIPE_SZ: about ten lines
    order = command("run", camera, "--json", "--sink", "jsonl:good.jsonl", "--most", "40")
    done = run(order, tmp_path, stdout=writing)  # nobody reads meanwhile
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:  # noqa: PTH123
        lines = pipe.read().splitlines()
    assert done.returncode == 1
    assert "frames lost in all: standard output is read too slowly" in done.stderr
    assert 1 <= len(lines) < 40 and [json.loads(line)["frame"] for line in lines] == list(range(len(lines)))
    assert len((tmp_path / "good.jsonl").read_text().splitlines()) == 40


def test_a_reader_that_leaves_ends_a_run_only_if_it_was_the_last(
    command: Callable[..., list[str]], start: Start, tmp_path: Path
) -> None:
    camera = f"http://127.0.0.1:{start(video=True).port}/video"
    for more, code in (([], 0), (["--sink", "jsonl:good.jsonl", "--most", "20"], 0)):
        words = " ".join(f"'{word}'" for word in command("run", camera, "--json", "--quiet", *more))
        done = run(["bash", "-c", f"set -o pipefail; {words} | head -1 > first"], tmp_path)
        assert (done.returncode, done.stderr) == (code, "")
        assert json.loads((tmp_path / "first").read_text())["frame"] == 0
    assert len((tmp_path / "good.jsonl").read_text().splitlines()) == 20


def test_kill_9_leaves_whole_lines_and_the_next_run_goes_on_after_them(
    command: Callable[..., list[str]], film: Path, tmp_path: Path
) -> None:
    order = command("run", film.name, "--sink", "jsonl:out.jsonl", "--quiet")
    out = tmp_path / "out.jsonl"
    for _ in range(3):
        size = out.stat().st_size if out.exists() else 0
        with subprocess.Popen(order, cwd=tmp_path) as process:
            while process.poll() is None and (out.stat().st_size if out.exists() else 0) <= size:
                time.sleep(0.002)
            process.kill()
    with out.open("a") as file:
        file.write('{"schema": 1, "cut off by a power')  # what a kill hardly ever leaves
    assert run(order, tmp_path).returncode == 0
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(records) >= 20 + 3 and all(record["schema"] == 1 for record in records)
