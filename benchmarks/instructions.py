"""Instructions per frame and stage, counted by valgrind: a cost that a busy machine cannot blur.

    python -m benchmarks.instructions            hold the counts against the committed budget
    python -m benchmarks.instructions --update   write the budget anew (and say why in the commit)

The pipeline runs as it ships, with the tiny models of the tests, so what is counted is ferlite's own work
around its engines: detection's decoding, alignment, tracking, the JSON. A stage more than the tolerance
over its budget, or far under it, ends with exit code 1. Valgrind knows no AVX-512, so the counts are of the
AVX2 code, on any x86-64 machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"
BUDGET = Path(__file__).parent / "instructions.json"
TOLERANCE = 0.05
# Below this a stage is a few Python calls, whose count moves with the interpreter's caches.
SMALL = 20_000
WARM_UPS, FRAMES, FACES = 10, 12, 2
# A call that nothing else here makes: valgrind writes the counts and starts anew each time it sees it.
MARK = "getppid"
PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime")


def main() -> int:
    """Count, compare, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--update", action="store_true", help="write the budget instead of holding to it")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="share (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--counted", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.counted:
        return _counted(arguments.counted)
    if shutil.which("valgrind") is None:
        print("instructions.py: valgrind is not installed: sudo apt install valgrind", file=sys.stderr)
        return 1
    counts = count()
    if arguments.update:
        table = {"schema": 1, "versions": versions(), "instructions": counts}
        BUDGET.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    budget = json.loads(BUDGET.read_text(encoding="utf-8"))
    found = held(counts, budget["instructions"], arguments.tolerance)
    other = {key: value for key, value in versions().items() if budget["versions"].get(key) != value}
    result = {"schema": 1, "stages": found, "other_versions": other}
    print(json.dumps(result, indent=2) if arguments.json else as_text(result))
    return 0 if all(each["holds"] for each in found.values()) else 1


def held(counts: dict[str, int], budget: dict[str, int], tolerance: float) -> dict[str, dict[str, Any]]:
    """Each stage beside its budget; ``holds`` where it is within the tolerance, or both are small."""
    found = {}
    for stage in {**budget, **counts}:
        have, want = counts.get(stage, 0), budget.get(stage, 0)
        near = abs(have - want) <= max(tolerance * want, tolerance * SMALL)
        found[stage] = {"instructions": have, "budget": want, "holds": near}
    return found


def as_text(result: dict[str, Any]) -> str:
    """A line for each stage."""
    lines = [f"{'stage':<10}{'instructions':>14}{'budget':>14}{'ratio':>8}"]
    for stage, each in result["stages"].items():
        ratio = f"{each['instructions'] / each['budget']:8.3f}" if each["budget"] else "       -"
        mark = "" if each["holds"] else "  " + ("OVER" if each["instructions"] > each["budget"] else "UNDER")
        lines.append(f"{stage:<10}{each['instructions']:>14,}{each['budget']:>14,}{ratio}{mark}")
    if any(not each["holds"] for each in result["stages"].values()):
        lines.append("A stage left its budget: mend it, or run with --update and say in the commit why.")
        for name, version in result["other_versions"].items():
            lines.append(f"The budget was counted with another {name} than {version}.")
    return "\n".join(lines)


def count(script: Path = Path(__file__), arguments: Sequence[str] = ()) -> dict[str, int]:
    """Instructions of a frame by stage: medians over frames.

    ``script`` is run under valgrind with ``arguments`` and ``--counted FOLDER``; it calls ``os.getppid`` at
    every joint and writes what each was into the folder's marks.json.
    """
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        command = [
            "valgrind",
            "--tool=callgrind",
            f"--dump-before={MARK}",
            f"--callgrind-out-file={here / 'counts'}",
            sys.executable,
            str(script),
            *arguments,
            "--counted",
            str(here),
        ]
        environment = {
            **os.environ,
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": str(ROOT),
            "OPENCV_FFMPEG_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        print("counting under valgrind: a minute or two", file=sys.stderr)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise SystemExit(f"{script.name}: the counted run failed: {done.stderr.strip()[-400:]}")
        marks = json.loads((here / "marks.json").read_text(encoding="utf-8"))
        dumps = sorted(here.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
        totals = [_total(path) for path in dumps]
    if len(totals) != len(marks):
        raise SystemExit(
            f"{script.name}: {len(marks)} marks and {len(totals)} counts: something else calls {MARK}"
        )
    return _by_stage(marks, totals)


def _by_stage(marks: list[str], totals: list[int]) -> dict[str, int]:
    """The count before a mark belongs to the stage that the mark ends."""
    frames: list[dict[str, int]] = []
    for mark, total in zip(marks, totals, strict=True):
        if mark == "start":
            frames.append({})  # what lies between two frames is the loop that measures
        else:
            frames[-1][mark] = frames[-1].get(mark, 0) + total
    # All frames are taken from the source before the first is shown to the pipeline.
    taken = [frame for frame in frames if set(frame) == {"decode"}]
    shown = [frame for frame in frames if set(frame) != {"decode"}]
    kept = taken[WARM_UPS:] + shown[WARM_UPS:]
    stages = dict.fromkeys(stage for frame in kept for stage in frame)
    # Not every frame is searched: a stage's count is that of the frames in which it was.
    return {
        stage: round(statistics.median(frame[stage] for frame in kept if stage in frame)) for stage in stages
    }


def _total(path: Path) -> int:
    found = re.search(r"^totals: (\d+)", path.read_text(encoding="utf-8"), re.M)
    return int(found[1]) if found else 0


def _counted(folder: Path) -> int:
    """Inside valgrind: frames through the pipeline, a mark at every joint."""
    import edge  # noqa: F401, I001 - before OpenCV, whose log level it sets
    import cv2

    from measure import footage
    from measure.end_to_end import end_to_end
    from measure.request import Order
    from measure.stages import Stopwatch

    marks = []

    class Marked(Stopwatch):
        def start(self) -> None:
            super().start()
            marks.append("start")
            os.getppid()

        def lap(self, stage: str) -> None:
            super().lap(stage)
            marks.append(stage)
            os.getppid()

    cv2.setNumThreads(1)
    order = Order(
        str(_bundle(folder)),
        ("onnx",),
        threads=1,
        frames=FRAMES,
        detector="yunet",
        detector_model=str(DATA / "tiny_yunet.onnx"),
        detector_engine="onnx",
    )
    watch = Marked()
    taken = footage.take(str(_clip(folder)), WARM_UPS + FRAMES, folder, watch)
    result, _ = end_to_end(order, taken, watch)
    if result.faces_per_frame != FACES:
        raise SystemExit(f"the counted run found {result.faces_per_frame} faces a frame, not {FACES}")
    (folder / "marks.json").write_text(json.dumps(marks), encoding="utf-8")
    return 0


def _bundle(folder: Path) -> Path:
    from tests.conftest import tiny_manifest

    place = folder / "tiny"
    place.mkdir()
    table = tiny_manifest()
    table["files"] = {"onnx": table["files"]["onnx"]}
    (place / "bundle.json").write_text(json.dumps(table), encoding="utf-8")
    (place / "tiny.onnx").write_bytes((DATA / "tiny.onnx").read_bytes())
    return place


def picture() -> Any:
    """Uint8 [480, 640, 3] with two bright squares, which tiny_yunet.onnx takes for faces, of a grain to
    follow."""
    import numpy as np

    grain = np.random.default_rng(5).integers(0, 30, (60, 80, 1), np.uint8).repeat(3, 2)
    frame = grain.repeat(8, 0).repeat(8, 1)
    for top, left in ((107, 160), (267, 373)):  # where cells of the detector begin, at 384 pixels
        frame[top : top + 53, left : left + 53] += 225
    return frame


def _clip(folder: Path) -> Path:
    import cv2

    path, frame = folder / "clip.avi", picture()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (640, 480))
    for _ in range(WARM_UPS + FRAMES + 1):
        writer.write(frame)
    writer.release()
    return path


def versions() -> dict[str, str]:
    """What the counts depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


if __name__ == "__main__":
    sys.exit(main())
