"""The arrows between the packages, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"edge", "faces", "measure", "pages", "train", "quantize", "boards", "cluster", "tests"}
ALLOWED = {
    # Its command line alone, and only where --on is typed: see below.
    "edge": {"cluster"},
    "cluster": {"edge"},
    # Small modules only, and none of what runs on a bare board: tests/boards/test_arrows.py names them.
    "boards": {"edge", "cluster", "pages"},
    "faces": {"edge"},
    "measure": {"edge", "boards", "pages"},
    "pages": {"edge"},
    "train": {"edge", "cluster", "faces", "measure", "pages"},
    "quantize": {"edge", "cluster", "faces", "measure", "pages", "train"},
}
CLUSTER_LIBRARIES = {"distributed", "dask", "pyarrow", "asyncssh"}
ENGINE_LIBRARIES = {"onnxruntime", "openvino", "ai_edge_litert", "tflite_runtime", "torch", "onnx"}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_arrows(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        wrong = imported(path) & (OURS - {package} - ALLOWED[package])
        assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(wrong)}"


def test_the_runtime_knows_of_clusters_in_its_command_line_only() -> None:
    naming = [path.relative_to(ROOT) for path in (ROOT / "edge").rglob("*.py") if "cluster" in imported(path)]
    assert naming == [Path("edge/cli.py")]
    assert not loaded_after("import edge.cli; edge.cli.parser()") & {"cluster", *CLUSTER_LIBRARIES}


def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    files = [path for package in ALLOWED for path in (ROOT / package).rglob("*.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    return {name.removesuffix(".__init__"): path for name, path in zip(names, files, strict=True)}


def imports_among(known: dict[str, Path], path: Path) -> set[str]:
    """Which of the ``known`` modules a file imports, those inside of functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & set(known)


def test_no_import_circle() -> None:
    known = modules()
    waiting = {name: imports_among(known, path) - {name} for name, path in known.items()}
    while free := {name for name, needs in waiting.items() if not needs & set(waiting)}:
        waiting = {name: needs for name, needs in waiting.items() if name not in free}
    assert not waiting, f"these wait for one another: {', '.join(sorted(waiting))}"


def test_only_engine_files_name_an_engine_library() -> None:
    for path in (ROOT / "edge").rglob("*.py"):
        used = imported(path) & ENGINE_LIBRARIES
        assert not used or path.parent.name == "engines", (
            f"{path.relative_to(ROOT)} imports {', '.join(used)}"
        )


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(' '.join(sorted(name.split('.')[0] for name in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_importing_edge_loads_no_engine_and_no_opencv() -> None:
    assert not loaded_after("import edge") & (ENGINE_LIBRARIES | {"cv2", "numpy"})
    assert not loaded_after("import edge.pipeline") & ENGINE_LIBRARIES


def test_help_loads_nothing_heavy() -> None:
    assert not loaded_after("import edge.cli; edge.cli.parser()") & (ENGINE_LIBRARIES | {"cv2", "numpy"})


def test_the_runtime_names_everything_it_imports() -> None:
    """Beyond the standard library: numpy, OpenCV, and in its own file one engine, camera or format library.

    tomli is Python 3.10's tomllib, for the toolchain's recipes. Each extra has its file to itself.
    """
    allowed = ENGINE_LIBRARIES | {"picamera2", "pillow_heif", "tomli"}
    homes = {
        "aiohttp": "edge/serve/",
        "paho": "edge/live/mqtt.py",
        "prometheus_client": "edge/live/metrics.py",
        "cryptography": "edge/bundle_files/signature.py",
        "cluster": "edge/cli.py",
    }
    for path in (ROOT / "edge").rglob("*.py"):
        place = str(path.relative_to(ROOT))
        own = {library for library, home in homes.items() if place.startswith(home)}
        foreign = imported(path) - set(sys.stdlib_module_names) - {"edge", "numpy", "cv2", "__future__"}
        assert foreign <= allowed | own, f"{place} imports {foreign}"


def test_a_run_without_extras_loads_none_of_their_libraries() -> None:
    extras = {"aiohttp", "paho", "prometheus_client", "cryptography"}
    assert not loaded_after("import edge.cli, edge.settings, edge.run") & extras
