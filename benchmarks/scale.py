"""An archive on a cluster: the same readings though a worker is killed, how fast, and what it needs.

    python -m benchmarks.scale same        [--pictures 10000] [--clips 200] [--save RECORD]
    python -m benchmarks.scale throughput  [--pictures 4000] [--rounds 3] [--save RECORD]
    python -m benchmarks.scale tasks       [--sources 10000] [--save RECORD]

``same`` holds ``ferlite run --on local:2``, one of whose workers is killed by its pid in the middle, against
plain runs, field by field. ``throughput`` races one plain process, two of them on a half each, and one and
two workers, in turns, on a machine that does nothing else. ``tasks`` gives the scheduler a task for each tiny
source, real files that are really written, and looks at the memory of scheduler and workers meanwhile.
Each writes its section of the record and leaves the others.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.record import save, today
from edge import cli
from measure import machine

ROOT = Path(__file__).parent.parent
SIZE = (160, 128)  # pixels, wide and high
Section = dict[str, Any]


def make(folder: Path, pictures: int, clips: int) -> None:
    """Pictures and clips of six frames, each with a drawn face somewhere else: the same every time."""
    rng = np.random.default_rng(1)
    (folder / "pictures").mkdir(parents=True)
    (folder / "clips").mkdir()
    for number in range(pictures):
        cv2.imwrite(str(folder / f"pictures/p{number:06}.jpg"), face(*rng.integers(0, 40, 2), number % 60))
    for number in range(clips):
        writer = cv2.VideoWriter(
            str(folder / f"clips/c{number:04}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, SIZE
        )
        x, y = rng.integers(0, 20, 2)
        for step in range(6):
            writer.write(face(x + 2 * step, y + step, number % 60))
        writer.release()


def face(x: int, y: int, light: int) -> np.ndarray:
    """A face of a few strokes, uint8 [H, W, 3], that the cascade finds."""
    image = np.full((SIZE[1], SIZE[0], 3), 60 + light, np.uint8)
    centre = (int(60 + x), int(50 + y))
    cv2.ellipse(image, centre, (32, 42), 0, 0, 360, (170, 190, 220), -1)
    for side in (-13, 13):
        cv2.ellipse(image, (centre[0] + side, centre[1] - 8), (7, 4), 0, 0, 360, (40, 40, 40), -1)
        cv2.line(
            image,
            (centre[0] + side - 8, centre[1] - 17),
            (centre[0] + side + 8, centre[1] - 17),
            (60, 60, 80),
            3,
        )
    cv2.line(image, (centre[0], centre[1] - 4), (centre[0], centre[1] + 10), (120, 140, 180), 4)
    cv2.ellipse(image, (centre[0], centre[1] + 22), (13, 5), 0, 0, 360, (80, 80, 160), -1)
    return cv2.GaussianBlur(image, (5, 5), 0)


def ferlite(folder: Path, *words: str) -> list[str]:
    """The command, as typed in ``folder``."""
    return [
        sys.executable,
        "-m",
        "edge.cli",
        "run",
        *words,
        "--quiet",
        "--detector",
        "haar",
        "--threads",
        "1",
    ]


def run(folder: Path, *words: str) -> str:
    """What a run prints; it must end well."""
    done = subprocess.run(
        ferlite(folder, *words), cwd=folder, env=surroundings(), stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def alone(folder: Path, clip: str) -> str:
    """What the command prints of one clip, run in this process: 200 starts of Python tell nothing."""
    os.chdir(folder)
    (folder / "clip.jsonl").unlink(missing_ok=True)  # a sink appends
    words = ferlite(folder, clip, "--sink", "jsonl:clip.jsonl")[3:]
    if cli.main(words) != 0:
        raise SystemExit(f"a plain run of '{clip}' failed")
    return (folder / "clip.jsonl").read_text()


def surroundings() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def same(arguments: argparse.Namespace) -> Section:
    """Plain runs, and a cluster's with one worker killed, compared field by field."""
    with tempfile.TemporaryDirectory(prefix="ferlite-scale-") as scratch:
        folder = Path(scratch)
        make(folder, arguments.pictures, arguments.clips)
        killed = kill_one(
            folder, folder / "readings", ["pictures", "clips", "--on", "local:2", "--out", "readings"]
        )
        merged = run(folder, "pictures", "clips", "--on", "local:2", "--out", "readings", "--json")
        plain = run(folder, "pictures", "--json")
        plain += "".join(alone(folder, f"clips/{clip.name}") for clip in sorted((folder / "clips").iterdir()))
        wanted, found = (
            sorted(map(reading, text.splitlines()), key=lambda one: (one["source"], one["frame"]))
            for text in (plain, merged)
        )
        done = (folder / "readings/done.jsonl").read_text().splitlines()
        return {
            "pictures": arguments.pictures,
            "clips": arguments.clips,
            "frames": len(wanted),
            "faces": sum(len(one["faces"]) for one in wanted),
            "frames_alike": sum(one == other for one, other in zip(wanted, found, strict=False)),
            "frames_lost_or_twice": abs(len(found) - len(wanted)),
            "parts": len(done),
            "killed_after_parts": killed,
        }


def reading(line: str) -> dict[str, Any]:
    """A frame without the time that it took, which is another each time."""
    table: dict[str, Any] = json.loads(line)
    del table["latency_ms"]
    return table


def kill_one(folder: Path, out: Path, words: Sequence[str]) -> int:
    """Kill a worker of a run by its pid when a tenth of the parts are there; after how many it was."""
    with subprocess.Popen(
        ferlite(folder, *words), cwd=folder, env=surroundings(), stdout=subprocess.DEVNULL
    ) as process:
        ledger = out / "done.jsonl"
        while process.poll() is None:
            lines = ledger.read_bytes().count(b"\n") if ledger.exists() else 0
            workers = [pid for pid in children(process.pid) if b"spawn_main" in words_of(pid)]
            if lines >= 10 and workers:
                os.kill(workers[0], signal.SIGKILL)
                if process.wait() != 0:
                    raise SystemExit("the run did not get over the death of its worker")
                return lines
            time.sleep(0.02)
    raise SystemExit("the run ended before a worker could be killed: give more pictures")


def children(pid: int) -> list[int]:
    """The processes below this one."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children(child)]
    return found


def words_of(pid: int) -> bytes:
    """A process's command line; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def throughput(arguments: argparse.Namespace) -> Section:
    """Seconds of one and two plain processes and of one and two workers, in turns."""
    with tempfile.TemporaryDirectory(prefix="ferlite-scale-") as scratch:
        folder = Path(scratch)
        make(folder, arguments.pictures, 0)
        pictures = sorted((folder / "pictures").iterdir())
        for half, some in (("a", pictures[::2]), ("b", pictures[1::2])):
            (folder / half).mkdir()
            for picture in some:
                (folder / half / picture.name).hardlink_to(picture)
        times: dict[str, list[float]] = {}
        for turn in range(arguments.rounds):
            for name, act in {
                "one plain process": lambda: both(folder, ["pictures"]),
                "two plain processes": lambda: both(folder, ["a", "b"]),
                "one worker": lambda turn=turn: run(
                    folder, "pictures", "--on", "local:1", "--out", f"r1-{turn}"
                ),
                "two workers": lambda turn=turn: run(
                    folder, "pictures", "--on", "local:2", "--out", f"r2-{turn}"
                ),
            }.items():
                times.setdefault(name, []).append(timed(act))
        medians = {name: statistics.median(each) for name, each in times.items()}
        return {
            "pictures": arguments.pictures,
            "seconds": {name: [round(each, 2) for each in some] for name, some in times.items()},
            "pictures_per_second": {
                name: round(arguments.pictures / each, 1) for name, each in medians.items()
            },
            "overhead": round(medians["two workers"] / medians["two plain processes"] - 1, 4),
            "efficiency": round(medians["one worker"] / (2 * medians["two workers"]), 4),
        }


def both(folder: Path, halves: Sequence[str]) -> None:
    """A plain process for each folder, at once."""
    running = [
        subprocess.Popen(
            ferlite(folder, half, "--sink", f"jsonl:{half}.jsonl"), cwd=folder, env=surroundings()
        )
        for half in halves
    ]
    for process in running:
        if process.wait() != 0:
            raise SystemExit("a plain run failed")


def timed(act: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def tasks(arguments: argparse.Namespace) -> Section:
    """A task for each tiny picture: how many a second, and the memory of all processes."""
    from cluster.archive.find import find
    from cluster.archive.run import Order
    from cluster.archive.run import run as run_archive
    from cluster.spec import parse
    from edge.settings import RunSettings

    with tempfile.TemporaryDirectory(prefix="ferlite-scale-") as scratch:
        folder = Path(scratch)
        make(folder, arguments.sources, 0)
        items, _ = find([str(folder / "pictures")])
        settings = RunSettings(detector="haar", threads=1)
        with Watch() as watch:
            seconds = timed(
                lambda: run_archive(Order(items, settings, parse("local:2"), folder / "readings", batch=1))
            )
        lines = (folder / "readings/done.jsonl").read_text().splitlines()
        work = sum(json.loads(line)["seconds"] for line in lines)
        parts = [path.stat().st_size for path in (folder / "readings/parts").rglob("*.parquet")]
        return {
            "sources": arguments.sources,
            "tasks": len(lines),
            "seconds": round(seconds, 1),
            "tasks_per_second": round(len(lines) / seconds, 1),
            "seconds_inside_tasks": round(work, 1),
            "scheduler_peak_mib": round(watch.ours_mib, 1),
            "scheduler_before_mib": round(watch.before_mib, 1),
            "worker_peak_mib": [round(each, 1) for each in sorted(watch.workers_mib.values())],
            "bytes_in_parts": sum(parts),
            "ledger_bytes": (folder / "readings/done.jsonl").stat().st_size,
        }


class Watch:
    """The most memory that this process, which has client and scheduler, and its workers ever had."""

    def __init__(self) -> None:
        self.before_mib = self.ours_mib = rss_mib(os.getpid())
        self.workers_mib: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.5):
            self.ours_mib = max(self.ours_mib, rss_mib(os.getpid()))
            for pid in children(os.getpid()):
                if b"spawn_main" in words_of(pid):
                    self.workers_mib[pid] = max(self.workers_mib.get(pid, 0.0), rss_mib(pid))


def rss_mib(pid: int) -> float:
    """Resident memory of a process; 0 where it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def table(record: dict[str, Any]) -> str:
    """docs/scale.md's table of what was measured; what was not is said so."""
    rows = ["| what | measured | on |", "|---|---|---|"]
    for name, told in (("same", _same), ("tasks", _tasks), ("throughput", _throughput)):
        section = record.get(name)
        if section is None:
            rows.append(f"| `{name}` | not measured yet: `python -m benchmarks.scale {name}` | |")
            continue
        here = section["machine"]
        where = f"{here['cores']} x {here['cpu']}, {section['date']}, load {here['load']}"
        rows += [f"| {what} | {figure} | {where} |" for what, figure in told(section)]
    return "\n".join(rows)


def _same(section: Section) -> list[tuple[str, str]]:
    what = f"{section['pictures']:,} pictures, {section['clips']} clips"
    what += f", a worker killed after {section['killed_after_parts']} parts"
    return [
        (
            what,
            f"{section['frames_alike']:,} of {section['frames']:,} frames as in plain runs, field by field",
        ),
        ("lost, or there twice", str(section["frames_lost_or_twice"])),
    ]


def _tasks(section: Section) -> list[tuple[str, str]]:
    grown = section["scheduler_peak_mib"] - section["scheduler_before_mib"]
    return [
        (f"{section['tasks']:,} tasks of one tiny picture", f"{section['tasks_per_second']:g} a second"),
        (
            "client and scheduler, resident",
            f"{section['scheduler_peak_mib']:g} MiB, {grown:.0f} more than before",
        ),
        ("workers, resident", " and ".join(f"{each:g}" for each in section["worker_peak_mib"]) + " MiB"),
        ("a part of one picture", f"{section['bytes_in_parts'] / section['tasks'] / 1000:.1f} kB"),
        ("a line of done.jsonl", f"{section['ledger_bytes'] / section['tasks']:.0f} bytes"),
        (
            "1,000,000 such tasks, at that pace",
            f"{1e6 / section['tasks_per_second'] / 3600:.1f} hours, "
            f"{section['ledger_bytes'] / section['tasks'] / 1e3:.2f} GB of done.jsonl",
        ),
    ]


def _throughput(section: Section) -> list[tuple[str, str]]:
    paces = section["pictures_per_second"]
    return [
        *(
            (f"{name}, {section['pictures']:,} pictures", f"{pace:g} pictures a second")
            for name, pace in paces.items()
        ),
        ("two workers against two plain processes", f"{section['overhead']:+.1%} time"),
        ("efficiency of two workers against one", f"{section['efficiency']:.0%}"),
    ]


def main() -> None:
    """Measure one section, and print or keep it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["same", "throughput", "tasks"])
    parser.add_argument("--pictures", type=int, default=0)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sources", type=int, default=10_000)
    # A section works in a folder of its own: the path is that of where the command was typed.
    parser.add_argument("--save", type=lambda typed: Path(typed).resolve())
    arguments = parser.parse_args()
    arguments.pictures = arguments.pictures or (10_000 if arguments.what == "same" else 4000)
    act = {"same": same, "throughput": throughput, "tasks": tasks}[arguments.what]
    here = machine.here()
    section = {
        "date": today(),
        "machine": {"cpu": here.cpu, "cores": here.usable_cores, "load": here.load, "ferlite": here.ferlite},
        **act(arguments),
    }
    print(json.dumps(section, indent=1))
    if arguments.save:
        record = (
            json.loads(arguments.save.read_text())
            if arguments.save.exists()
            else {"kind": "scale", "schema": 1}
        )
        save({**record, arguments.what: section}, arguments.save)


if __name__ == "__main__":
    main()
