"""README and docs say what is true: commands run, links lead somewhere, tables are current."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# What cannot run here, and why; each must start with one of these.
ELSEWHERE = {
    "ferlite run 0": "needs a camera",
    "ferlite run rtsp://": "needs a stream",
    "ferlite fetch": "needs the network",
    "ferlite serve": "has its own tests",
    "ferlite boards": "has its own tests",
    "ferlite train": "has its own tests",
    "ferlite quantize": "has its own tests",
    "ferlite bench": "has its own tests",
}


def commands(tool: str) -> list[tuple[str, str]]:
    """(page, command) for each line of the pages' ``sh`` blocks that calls ``tool``."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.splitlines():
                command = line.split(" #")[0].strip()
                if command.split(" ")[0] == tool:
                    found.append((page.name, command))
    return found


def test_the_pages_show_commands() -> None:
    assert len(commands("ferlite")) >= 5
    assert len(commands("make")) >= 3


@pytest.mark.parametrize(("page", "command"), commands("make"))
def test_make_knows_its_targets(page: str, command: str) -> None:
    for target in command.split()[1:]:
        if "=" not in target:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), (
                f"{page}: {command}"
            )


@pytest.mark.parametrize(("page", "command"), commands("ferlite"))
def test_ferlite_commands_run(page: str, command: str, tmp_path: Path) -> None:
    for start, reason in ELSEWHERE.items():
        if command.startswith(start):
            pytest.skip(f"{command}: {reason}")
    matplotlib = pytest.importorskip("matplotlib", reason="its photograph is what the commands read")
    photograph = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    image = cv2.imread(str(photograph))
    for name in ("photo.jpg", "shots/a.jpg", "shots/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(tmp_path / name), image)
    clip = cv2.VideoWriter(str(tmp_path / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (512, 600))
    for _ in range(5):
        clip.write(np.ascontiguousarray(image[:600, :512]))
    clip.release()
    program = f"{shlex.quote(sys.executable)} -m edge.cli {command.removeprefix('ferlite')}"
    before = set(tmp_path.iterdir())
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, f"{page}: {command}\n{done.stderr}"
    assert done.stdout or set(tmp_path.iterdir()) - before


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("maker", ["tables.py", "cli_reference.py"])
def test_what_is_generated_is_current(maker: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / maker), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
