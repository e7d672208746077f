"""``ferlite doctor``: what works here, what does not, and what to type about it."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from edge import bundle as bundles
from edge import detect
from edge import engine as engines
from edge.detectors.table import DETECTORS
from edge.engines.table import ENGINES
from edge.errors import FerliteError

State = Literal["good", "note", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: "good", "note" (ferlite works without it) or "bad" (it does not)."""

    what: str
    state: State
    text: str


def examine(bundle: str = "") -> list[Finding]:
    """Look at Python, OpenCV, engines, detectors, the bundle and cameras. Never raises a FerliteError."""
    return [
        Finding("python", "good", f"{platform.python_version()} on {platform.machine()}, {sys.platform}"),
        _opencv(),
        *(_engine(name) for name in ENGINES),
        *(_detector(name) for name in DETECTORS),
        _bundle(bundle),
        _cameras(),
    ]


def healthy(findings: list[Finding]) -> bool:
    """Whether ``ferlite run`` can work: no finding is bad."""
    return all(finding.state != "bad" for finding in findings)


def as_text(findings: list[Finding]) -> str:
    """A line each."""
    marks = {"good": "ok  ", "note": "-   ", "bad": "BAD "}
    return "\n".join(f"{marks[f.state]} {f.what:<9} {f.text}" for f in findings)


def _opencv() -> Finding:
    text = f"{cv2.__version__}, numpy {np.__version__}"
    if tuple(int(part) for part in cv2.__version__.split(".")[:2]) < (4, 12):
        return Finding(
            "opencv", "note", f"{text}: below 4.12 a hostile JPEG can write to memory (CVE-2025-53644): "
            "pip install 'opencv-python-headless>=4.12,<5'",
        )  # fmt: skip
    return Finding("opencv", "good", text)


def _engine(name: str) -> Finding:
    try:
        return Finding(name, "good", engines.engine_class(name).version())
    except FerliteError as error:
        return Finding(name, "note", str(error))


def _detector(name: str) -> Finding:
    reason = detect.detector_class(name).lacks(detect.DetectorOptions())
    return Finding(name, "note", reason) if reason else Finding(name, "good", "detector, ready")


def _bundle(where: str) -> Finding:
    """Whether the bundle is whole, and an engine here runs it."""
    try:
        loaded = bundles.load(where)
        loaded.verify()
        choice = engines.choose("auto", loaded.files)
        engines.load(choice.name, loaded.model(choice.name), engines.EngineOptions()).close()
    except FerliteError as error:
        return Finding("bundle", "bad", str(error))
    return Finding(
        "bundle", "good", f"{loaded.name} ({', '.join(loaded.files)}), runs in engine '{choice.name}'"
    )


def _cameras() -> Finding:
    there = sorted(str(path) for path in Path("/dev").glob("video*"))
    return Finding("camera", "good", ", ".join(there)) if there else Finding("camera", "note", "none in /dev")
