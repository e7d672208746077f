"""``ferlite doctor``: what works here, what does not, and what to type about it.

It must start where nothing else does: numpy, OpenCV and what needs them are imported where they are used.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge.detectors.table import DETECTORS
from edge.engines.table import ENGINES
from edge.errors import FerliteError

if TYPE_CHECKING:
    from edge.bundle import Bundle

State = Literal["good", "note", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: "good", "note" (ferlite works without it) or "bad" (it does not)."""

    what: str
    state: State
    text: str


def examine(bundle: str = "", golden: bool = False) -> list[Finding]:
    """Look at Python, OpenCV, engines, detectors, the bundle and cameras. Never raises a FerliteError.

    ``golden``: also run the bundle's golden faces in every engine that is installed (bundle_files/golden.py).
    """
    findings = [
        Finding("python", "good", f"{platform.python_version()} on {platform.machine()}, {sys.platform}"),
        _libraries(),
    ]
    if findings[-1].state != "bad":
        findings += [_engine(name) for name in ENGINES]
        findings += [_detector(name) for name in DETECTORS]
        findings += [_bundle(bundle), *(_golden(bundle) if golden else ())]
    return [*findings, _cameras()]


def healthy(findings: list[Finding]) -> bool:
    """Whether ``ferlite run`` can work: no finding is bad."""
    return all(finding.state != "bad" for finding in findings)


def as_text(findings: list[Finding]) -> str:
    """A line each."""
    marks = {"good": "ok  ", "note": "-   ", "bad": "BAD "}
    width = max(len(f.what) for f in findings)
    return "\n".join(f"{marks[f.state]} {f.what:<{width}} {f.text}" for f in findings)


def _libraries() -> Finding:
    """OpenCV and numpy, without which nothing runs."""
    try:
        import cv2
        import numpy as np
    except ImportError as error:
        return Finding(
            "opencv",
            "bad",
            f"OpenCV or numpy does not load here: {' '.join(str(error).split())[:200]}: "
            "pip install --force-reinstall numpy 'opencv-python-headless>=4.12,<5' (headless: it needs no "
            "library of a desktop)",
        )
    text = f"{cv2.__version__}, numpy {np.__version__}"
    if tuple(int(part) for part in cv2.__version__.split(".")[:2]) < (4, 12):
        return Finding(
            "opencv",
            "note",
            f"{text}: below 4.12 a hostile JPEG can write to memory (CVE-2025-53644): "
            "pip install 'opencv-python-headless>=4.12,<5'",
        )
    return Finding("opencv", "good", text)


def _engine(name: str) -> Finding:
    from edge import engine as engines

    try:
        return Finding(name, "good", engines.engine_class(name).version())
    except FerliteError as error:
        return Finding(name, "note", str(error))


def _detector(name: str) -> Finding:
    from edge import detect

    reason = detect.detector_class(name).lacks(detect.DetectorOptions())
    return Finding(name, "note", reason) if reason else Finding(name, "good", "detector, ready")


def _bundle(where: str) -> Finding:
    """Whether the bundle is whole, and an engine here runs it."""
    from edge import bundle as bundles
    from edge import engine as engines

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


def _golden(where: str) -> list[Finding]:
    """Per engine, whether the bundle's model answers here what it answered where it was built."""
    from edge import bundle as bundles

    try:
        loaded = bundles.load(where)
    except FerliteError:
        return []  # the bundle's own finding says so
    return [_golden_in(loaded, engine) for engine in loaded.files]


def _golden_in(loaded: Bundle, engine: str) -> Finding:
    from edge import engine as engines
    from edge.bundle_files.golden import check

    what = f"golden {engine}"
    try:
        engines.engine_class(engine).version()
    except FerliteError as error:
        return Finding(what, "note", str(error))
    try:
        outcome = check(loaded, engine)
    except FerliteError as error:
        return Finding(what, "bad", str(error))
    if outcome is None:
        return Finding(what, "note", "the bundle has no answers to compare with")
    if outcome.state == "same":
        return Finding(what, "good", "the build's answers, bit for bit")
    off = f"weights are up to {outcome.largest:.3f} off the build's"
    if outcome.state == "close":
        return Finding(what, "good", f"{off}, as other processors' rounding does")
    return Finding(
        what,
        "bad",
        f"{off}: this engine must not be trusted with this model here; measure it with "
        f"'ferlite quantize verify', or run another --engine",
    )


def _cameras() -> Finding:
    there = sorted(str(path) for path in Path("/dev").glob("video*"))
    return Finding("camera", "good", ", ".join(there)) if there else Finding("camera", "note", "none in /dev")
