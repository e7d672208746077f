"""What the runtime may not do with somebody's face: send it, or leave it on the disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import engine as engines
from edge.errors import EngineError

DATA = Path(__file__).parent.parent / "data"
HARMLESS = ("/dev/null", "/dev/tty", "/proc/", "/sys/", "/dev/shm/")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("engine", ["onnx", "tflite", "openvino"])
def test_no_socket_and_no_file_but_the_one_asked_for(
    make_bundle: Callable[..., Path], bright_square: np.ndarray, tmp_path: Path, engine: str
) -> None:
    try:
        engines.engine_class(engine).version()
    except EngineError as error:
        pytest.skip(str(error))
    assert cv2.imwrite(str(tmp_path / "face.png"), bright_square)
    command = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "trace",
        "-e",
        "trace=socket,connect,sendto,open,openat,creat",
        sys.executable,
        "-m",
        "edge.cli",
        "run",
        "face.png",
        "--bundle",
        str(make_bundle()),
        "--engine",
        engine,
        "--detector-model",
        str(DATA / "tiny_yunet.onnx"),
        "--detect-size",
        "160",
        "--sink",
        "jsonl:seen.jsonl",
    ]
    # A library may hold its reports back in CI: look at what it does elsewhere, and in an untouched home.
    usual = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    env = {
        **usual,
        "HOME": str(tmp_path / "home"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "FERLITE_CACHE": str(tmp_path / "cache"),
    }
    subprocess.run(command, cwd=tmp_path, env=env, check=True, stdout=subprocess.DEVNULL)
    trace = (tmp_path / "trace").read_text(errors="replace")
    assert "openat" in trace, "strace saw nothing"
    assert (tmp_path / "seen.jsonl").stat().st_size > 0
    assert not re.findall(r"AF_INET6?\b", trace)
    writes = re.findall(
        r'(?:open|openat|creat)\((?:AT_FDCWD, )?"([^"]+)", [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)', trace
    )
    assert {path for path in writes if not path.startswith(HARMLESS)} == {"seen.jsonl"}


def in_a_network_namespace() -> str:
    """Why no process can be put into a network namespace of its own here, "" where one can."""
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    done = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True, check=False)
    return done.stderr.strip()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.skipif(bool(in_a_network_namespace()), reason=f"no namespace: {in_a_network_namespace()}")
def test_a_video_is_read_where_there_is_no_network_and_nothing_else_is_written(
    make_bundle: Callable[..., Path], bright_square: np.ndarray, tmp_path: Path
) -> None:
    """The whole loop: decode, search, follow, classify, smooth, write. Not even loopback is up."""
    try:
        engines.choose("auto", ["onnx"])
    except EngineError as error:
        pytest.skip(str(error))
    height, width = bright_square.shape[:2]
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"FFV1"), 10, (width, height))
    for shift in range(30):
        writer.write(np.roll(bright_square, shift, axis=1))
    writer.release()
    (tmp_path / "out").mkdir()
    before = set(tmp_path.rglob("*"))
    command = [
        "unshare",
        "-n",
        "strace",
        "-f",
        "-qq",
        "-y",
        "-o",
        "/dev/stderr",
        "-e",
        "trace=socket,connect,bind,sendto,sendmsg,open,openat,openat2,creat,mkdir,mkdirat",
        sys.executable,
        "-m",
        "edge.cli",
        "run",
        "v.avi",
        "--bundle",
        str(make_bundle()),
        "--quiet",
        "--detector",
        "yunet",
        "--detector-model",
        str(DATA / "tiny_yunet.onnx"),
        "--detect-size",
        "160",
        "--sink",
        "jsonl:out/seen.jsonl",
        "--sink",
        "csv:out/seen.csv",
        "--save",
        "out/seen.avi",
        "--privacy",
    ]
    usual = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    env = {**usual, "HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "openat" in done.stderr, "strace saw nothing"
    assert len((tmp_path / "out" / "seen.jsonl").read_text().splitlines()) == 30
    assert not re.findall(r"(?:AF|PF)_(?:INET6?|PACKET|NETLINK)\b", done.stderr)
    call = r'(?:open|openat|openat2|creat)\((?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]+)"'
    opened = re.findall(rf"{call}, [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)", done.stderr)
    wrote = {
        os.path.relpath(path, tmp_path) if path.startswith(str(tmp_path)) else path
        for path in opened
        if not path.startswith(HARMLESS)
    }
    assert wrote == {"out/seen.jsonl", "out/seen.csv", "out/.seen.part.avi"}
    made = {str(path.relative_to(tmp_path)) for path in set(tmp_path.rglob("*")) - before}
    made = {name for name in made if not name.startswith("bundle")}
    assert made == {"out/seen.jsonl", "out/seen.csv", "out/seen.avi"}
