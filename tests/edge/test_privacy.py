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
        "strace", "-f", "-qq", "-o", "trace", "-e", "trace=socket,connect,sendto,open,openat,creat",
        sys.executable, "-m", "edge.cli", "run", "face.png", "--bundle", str(make_bundle()),
        "--engine", engine, "--detector-model", str(DATA / "tiny_yunet.onnx"), "--detect-size", "160",
        "--json", "seen.jsonl",
    ]  # fmt: skip
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
