"""What bundles of other kinds have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge import strict
from edge.bundle_files import writer
from edge.bundle_files.sections import CropRule, DoubtRule
from edge.errors import DataInvalid
from faces.crop_rule import measured_rules
from quantize.builder import Built


def face_rules() -> dict[str, Any]:
    """How faces are cut out and doubted: every bundle says so, also one that looks at none."""
    measured = measured_rules("fer2013")
    return {
        "crop": strict.fill(CropRule, measured["crop"], "fer2013: crop", DataInvalid),
        "doubt": strict.fill(DoubtRule, measured["doubt"], "fer2013: doubt", DataInvalid),
    }


def parts_of(models: Mapping[str, Built]) -> dict[str, writer.Model]:
    """The models by engine, as a bundle holds them."""
    return {
        engine: writer.Model(dict(built.parts), built.precision, built.layout)
        for engine, built in models.items()
    }


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
