"""Cold start and memory, seen from outside: processes that begin, give their first reading, and run on.

With a source the process is ``ferlite run`` itself, on the source or, where that cannot be opened twice, on
its footage. Without one it is this module's ``main``: the engine and the network alone, one face after the
other.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge.commands.progress import Progress
from edge.errors import ToolchainError
from measure import child, footage
from measure.record import Life, Starts
from measure.request import Order, from_text, to_text

POLL_SECONDS = 0.02
FACES = 300


def starts(order: Order) -> Starts:
    """The order's cold starts, one after the other; the first, which may read from the disk, stands apart."""
    command, given = _command(order), "" if order.footage else to_text(order)
    lives = []
    with Progress("cold starts", order.starts + 1) as progress:
        for _ in range(order.starts + 1):
            lives.append(live(command, given))
            progress.advance()
    kept = lives[1:]
    return Starts(
        what="ferlite run" if order.footage else "engine and network alone",
        first_reading_s=statistics.median(life.first_reading_s for life in kept),
        process_cpu_s=statistics.median(life.cpu_s for life in kept),
        rss_steady_mib=_median([life.steady_mib for life in kept]),
        rss_peak_mib=max((life.peak_mib for life in kept if life.peak_mib is not None), default=None),
        faces_in_first_reading=lives[0].first_faces,
        first_start_s=lives[0].first_reading_s,
        raw=tuple(kept),
    )


def _median(numbers: list[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return statistics.median(known) if known else None


def _command(order: Order) -> list[str]:
    if not order.footage:
        return child.module("measure.cold_start")
    options = {
        "--bundle": order.bundle,
        "--engine": order.engines[0],
        "--threads": str(order.threads),
        "--device": order.device,
        "--detector": order.detector,
        "--detector-model": order.detector_model,
        "--detector-engine": order.detector_engine,
        "--detect-size": str(order.detect_size or ""),
        "--detect-every": str(order.detect_every or ""),
        "--most": str(order.frames),
    }
    words = [word for name, value in options.items() if value for word in (name, value)]
    replay = footage.load(order.footage).replay
    return child.module("edge.cli", "run", *words, "--json", "--quiet", "--", replay)


def live(command: list[str], text: str) -> Life:
    """Run a process that prints a line at its first reading, and watch its memory until it ends."""
    with tempfile.TemporaryFile() as complaints:
        began = time.perf_counter()
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=child.surroundings(),
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(text.encode())
            process.stdin.close()
            line = process.stdout.readline()
            first = time.perf_counter() - began
            sizes, peak = _watch(process)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        complaints.seek(0)
        said = complaints.read().decode(errors="replace").strip()
    if process.returncode or not line:
        raise ToolchainError(f"a cold start {child.end(process.returncode, said)}")
    steady = statistics.median(sizes[len(sizes) // 2 :]) if sizes else None
    return Life(first, usage.ru_utime + usage.ru_stime, steady, peak, _faces(line))


def _watch(process: subprocess.Popen[bytes]) -> tuple[list[float], float | None]:
    """The process's resident MiB over its time, and its peak; what it prints is read and dropped."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    sizes: list[float] = []
    peak: float | None = None
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        process.stdout.read()
        size, peak = memory_mib(process.pid, peak)
        sizes += [size] if size is not None else []
        time.sleep(POLL_SECONDS)
    return sizes, peak


def _faces(line: bytes) -> int:
    """Faces in the first reading."""
    reading = json.loads(line)
    return len(reading["faces"]) if isinstance(reading, dict) else 1


def memory_mib(pid: int, peak: float | None) -> tuple[float | None, float | None]:
    """Resident MiB now and at most so far; what was known stays where /proc no longer tells."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        now = int(status.split("VmRSS:")[1].split()[0]) / 1024
        most = int(status.split("VmHWM:")[1].split()[0]) / 1024
        # The kernel keeps this one up to date less eagerly than the other.
        return now, max(most, now, peak or 0.0)
    except (OSError, IndexError):
        return None, peak


def main() -> int:
    """Load the order's engine and network, say when the first face is read, and read more."""
    from measure.network_alone import FaceReader

    order = from_text(sys.stdin.read())
    with FaceReader(order) as classify:
        crops = classify.faces(1)
        for index in range(FACES):
            weights = classify(crops)
            if not index:
                print(json.dumps(weights[0].tolist()), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
