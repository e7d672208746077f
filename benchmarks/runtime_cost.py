"""What the runtime costs before it does anything: imports, help, cold start, memory.

    python -m benchmarks.runtime_cost [--bundle NAME] [--detector-model yunet.onnx] [--save record.json]

Each command runs as a process of its own, several times; CPU seconds and peak memory are the operating
system's account of the finished process. Targets are those of the project; whether they were met is printed,
never asserted: machines are shared and noisy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2

from benchmarks.record import origin, save
from measure import machine

ROOT = Path(__file__).parent.parent
TARGETS = {
    "import edge, CPU s": 0.25,
    "ferlite --help, CPU s": 0.2,
    "cold start to first reading, s": 1.0,
    "steady RSS of a video, MiB": 150.0,
}


def cpu_seconds(command: list[str], runs: int) -> list[float]:
    """User plus system seconds of each run, after one that is not counted."""
    seconds = []
    for _ in range(runs + 1):
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd=ROOT, **silent)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
        seconds.append(usage.ru_utime + usage.ru_stime)
    return seconds[1:]


def cold_starts(command: list[str], runs: int) -> list[float]:
    """Wall seconds from the process's start to its first line of output."""
    seconds = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            seconds.append(time.perf_counter() - began)
            process.stdout.read()
        if not json.loads(line)["faces"]:
            raise SystemExit(f"{' '.join(command)} found no face")
    return seconds[1:]


def memory(command: list[str]) -> tuple[float, float]:
    """Steady and peak resident MB: the median of the second half of the run, and the most."""
    seen = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            if "VmRSS" in status:
                seen.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
            time.sleep(0.02)
    return statistics.median(seen[len(seen) // 2 :]), max(seen)


def photograph() -> Path:
    """The photograph that comes inside matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def write_clip(path: Path, frames: int) -> None:
    """A 640 x 480 clip that pans over the photograph."""
    picture = cv2.resize(cv2.imread(str(photograph())), (700, 820))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (640, 480))
    for index in range(frames):
        x, y = abs(index % 100 - 50), abs(index % 60 - 30)
        writer.write(picture[y : y + 480, x : x + 640])
    writer.release()


def measure(bundle: str, extra: list[str], runs: int, frames: int) -> dict[str, Any]:
    """All figures, raw."""
    python = [sys.executable, "-c"]
    ferlite = [sys.executable, "-m", "edge.cli"]
    run = [*ferlite, "run", "--engine", "onnx", "--threads", "1", "--json", "--quiet", *extra]
    run += ["--bundle", bundle] if bundle else []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.avi"
        write_clip(clip, frames)
        steady, peak = memory([*run, str(clip)])
    return {
        "python alone, CPU s": cpu_seconds([*python, "pass"], runs),
        "import edge, CPU s": cpu_seconds([*python, "import edge"], runs),
        "import edge.pipeline, CPU s": cpu_seconds([*python, "import edge.pipeline"], runs),
        "ferlite --help, CPU s": cpu_seconds([*ferlite, "--help"], runs),
        "cold start to first reading, s": cold_starts([*run, str(photograph())], runs),
        "steady RSS of a video, MiB": [steady],
        "peak RSS of a video, MiB": [peak],
    }


def main() -> int:
    """Measure, print a table, save the record if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--bundle", default="", help="bundle (default: the shipped one)")
    parser.add_argument("--detector-model", default="", help="YuNet's .onnx (default: the haar detector)")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    model = arguments.detector_model
    extra = ["--detector", "yunet", "--detector-model", model] if model else ["--detector", "haar"]
    figures = measure(arguments.bundle, extra, arguments.runs, arguments.frames)
    for name, values in figures.items():
        median, target = statistics.median(values), TARGETS.get(name)
        verdict = "" if target is None else f"target {target:g}: {'met' if median <= target else 'MISSED'}"
        print(f"{name:<32} {median:8.3f}  ({min(values):.3f} to {max(values):.3f})  {verdict}".rstrip())
    record = {
        "schema": 1,
        **origin("benchmarks.runtime_cost"),
        "machine": asdict(machine.here()),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("numpy", "opencv-python-headless", "onnxruntime")},
        },
        "figures": figures,
    }
    save(record, arguments.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
