"""Fixtures shared by all tests: small real models and bundles, pictures made on the spot."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge  # noqa: F401 - before OpenCV, whose log level it sets, as in the program itself

with suppress(ImportError):  # the second environment has the engine, numpy, OpenCV and pytest only
    from hypothesis import HealthCheck, settings

    # Machines are shared: a slow example is no failure, and a CI run should find what the last one found.
    settings.register_profile(
        "ferlite",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        derandomize=bool(os.environ.get("CI")),
    )
    settings.load_profile("ferlite")

DATA = Path(__file__).parent / "data"
sys.path.insert(0, str(DATA))
LABELS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
PARTS = {"onnx": ["tiny.onnx"], "tflite": ["tiny.tflite"], "openvino": ["tiny.xml", "tiny.bin"]}


NEEDS_TORCH = ("train", "quantize")
HAS_TORCH = find_spec("torch") is not None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the toolchain's tests where torch is not installed; the summary says so."""
    inside = collection_path.parent == DATA.parent and collection_path.name in NEEDS_TORCH
    return True if inside and not HAS_TORCH else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out: a skipped folder has no line of its own."""
    if not HAS_TORCH:
        terminalreporter.write_line(
            f"SKIPPED tests/{' and tests/'.join(NEEDS_TORCH)}: torch is not installed (make setup-train)"
        )


@pytest.fixture
def data() -> Path:
    """The folder of tiny models."""
    return DATA


def tiny_manifest() -> dict[str, Any]:
    """bundle.json of the tiny models, as JSON types."""
    files = {
        engine: {
            "parts": {name: hashlib.sha256((DATA / name).read_bytes()).hexdigest() for name in names},
            "precision": "fp32",
            "layout": "NHWC" if engine == "tflite" else "NCHW",
        }
        for engine, names in PARTS.items()
    }
    return {
        "schema": 1,
        "name": "tiny",
        "description": "one fully connected layer",
        "labels": LABELS,
        "input": {"size": 8, "colour": "grey", "mean": [128], "std": [64]},
        "crop": {
            "landmarks": [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.75], [0.65, 0.75]],
            "box_scale": 1.0,
            "box_shift": [0, 0],
        },
        "temperature": 20.0,
        "doubt": {"face_px": 10, "weight": 0.2},
        "files": files,
        "accuracy": [],
        "made_by": {"command": "python tests/data/make_models.py"},
    }


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Path]:
    """Writes a bundle folder; ``change`` may alter its manifest first."""

    def make(change: Callable[[dict[str, Any]], object] = lambda table: None, name: str = "bundle") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for names in PARTS.values():
            for file in names:
                (folder / file).write_bytes((DATA / file).read_bytes())
        table = tiny_manifest()
        change(table)
        (folder / "bundle.json").write_text(json.dumps(table))
        return folder

    return make


@pytest.fixture
def bright_square() -> np.ndarray:
    """A dark 160 x 128 frame with one bright 32-pixel square: what tiny_yunet.onnx takes for a face."""
    frame = np.zeros((128, 160, 3), np.uint8)
    frame[32:64, 64:96] = 250
    return frame
