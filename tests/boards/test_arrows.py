"""boards imports none of the other packages: it reaches the runtime as a file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import boards

SOURCES = sorted(Path(boards.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_imports(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] not in {"edge", "train", "quantize", "tests", "numpy", "cv2"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_modules_stay_readable(path: Path) -> None:
    # The installer travels to the board as one file that needs nothing beside it.
    most = 420 if path.name == "install.py" else 320
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most
