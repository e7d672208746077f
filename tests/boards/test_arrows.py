"""What boards may import: of the runtime a few small modules, and on a bare board nothing at all.

The probe travels to a board that has no ferlite, and the installer makes one: both run on the system's own
Python, and reach the runtime as files only.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import boards
from boards import deploy

ROOT = Path(boards.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
OF_EDGE = {
    "edge",
    "edge.bundle",
    "edge.commands",
    "edge.commands.command",
    "edge.commands.exits",
    "edge.commands.progress",
    "edge.errors",
    "edge.files",
    "edge.sinks.table",
    "edge.strict",
}
ON_A_BARE_BOARD = [*(ROOT / f"{name}.py" for name in deploy._PROBE), *sorted(ROOT.glob("onboard/*.py"))]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inner & OF_EDGE or {node.module}
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_imports(path: Path) -> None:
    names = imported(path)
    ours = {name.split(".")[0] for name in names}
    # The fleet's verb alone knows of pages and clusters, where they are asked for.
    spread = {"cli_fleet.py": {"cluster", "pages"}, "fleet_spread.py": {"cluster"}}.get(path.name, set())
    foreign = {"train", "quantize", "measure", "faces", "pages", "cluster", "tests", "numpy", "cv2"}
    assert not ours & (foreign - spread)
    assert {name for name in names if name.split(".")[0] == "edge"} <= OF_EDGE


@pytest.mark.parametrize("path", ON_A_BARE_BOARD, ids=lambda path: path.name)
def test_what_runs_on_a_bare_board_needs_nothing_but_python(path: Path) -> None:
    carried = {f"boards.{name}" for name in deploy._PROBE}
    for name in imported(path):
        assert name.split(".")[0] in sys.stdlib_module_names or name in carried | {"boards"}, name


def test_the_probe_runs_where_there_is_no_ferlite(tmp_path: Path) -> None:
    (tmp_path / "probe.pyz").write_bytes(deploy._probe_program())
    done = subprocess.run(
        [sys.executable, "-I", "-S", "probe.pyz"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert '"hardware"' in done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_modules_stay_readable(path: Path) -> None:
    # The installer travels to the board as one file that needs nothing beside it.
    most = 420 if path.name == "install.py" else 320
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most
