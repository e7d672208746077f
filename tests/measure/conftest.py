"""One real benchmark of the tiny bundle for all tests of ``ferlite bench``.

Beside tests/quantize and not in it: measuring needs no torch, and its tests run where there is none.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from measure import cli
from measure import record as records
from measure.record import Record
from tests.conftest import DATA, tiny_manifest


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle, for ONNX Runtime alone."""
    folder = tmp_path_factory.mktemp("bench") / "tiny"
    folder.mkdir()
    table = tiny_manifest()
    table["files"] = {"onnx": table["files"]["onnx"]}
    (folder / "tiny.onnx").write_bytes((DATA / "tiny.onnx").read_bytes())
    (folder / "bundle.json").write_text(json.dumps(table))
    return folder


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video whose every frame has the bright square that tiny_yunet.onnx takes for a face."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    frame = np.zeros((128, 160, 3), np.uint8)
    frame[32:64, 64:96] = 250
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (160, 128))
    for _ in range(8):
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture(scope="session")
def options(clip: Path) -> list[str]:
    """Short runs of everything."""
    return [
        *("--seconds", "0.05", "--starts", "1", "--frames", "12", "--threads", "1", "--source", str(clip)),
        *("--detector", "yunet", "--detector-model", str(DATA / "tiny_yunet.onnx")),
    ]


@pytest.fixture(scope="session")
def files(bundle: Path, options: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What one run with a power sensor writes: json, csv, html."""
    folder = tmp_path_factory.mktemp("record")
    paths = {kind: folder / f"record.{kind}" for kind in ("json", "csv", "html")}
    saved = ["--record", str(paths["json"]), "--csv", str(paths["csv"]), "--html", str(paths["html"])]
    meter = ["--power", "command:echo 2.5", "--power-seconds", "0.2"]
    assert cli.main([str(bundle), *options, *meter, *saved]) == 0
    return paths


@pytest.fixture
def record(files: dict[str, Path]) -> Record:
    """The run's record, read back."""
    return records.read(files["json"])


@pytest.fixture
def digest() -> Any:
    """Sha256 of a file."""
    return lambda path: hashlib.sha256(Path(path).read_bytes()).hexdigest()
