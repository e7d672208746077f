"""Does a run that goes on for weeks grow? A real one, watched from outside.

    python -m benchmarks.soak [--minutes 20] [--cuts 4] [--detector-model yunet.onnx] [--save RECORD]
    python -m benchmarks.soak --frames 1000000 [--width 160] [--within MINUTES] [...]

The first runs ``ferlite run http://...`` on a camera of its own (HTTP MJPEG, 30 frames a second, a face that
moves), whose connection is cut now and then; JSON lines go to a pipe, and to a file that is begun anew at
1 MB. The second shows the same frames from memory as fast as they are read. Memory, threads and descriptors
are those that the kernel tells; the first fifth is warm-up. The slope of the memory is a least-squares line,
with its standard error: less than twice that is no growth that so short a time can show (growth.py).
``--limit-mb`` bounds the process's own memory (RLIMIT_DATA).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from benchmarks.growth import figures
from benchmarks.record import origin, save
from benchmarks.serve_load import film, process_state
from benchmarks.soak_sources import Camera, FromMemory, narrowed, read_film
from edge.commands.progress import Progress
from measure import machine

SAMPLES = 400


def read_from_memory(folder: Path, arguments: argparse.Namespace) -> int:
    """In the child: the run of ``ferlite run``, but for its source."""
    from edge.live.vitals import Vitals
    from edge.memory import one_arena
    from edge.run import open_sinks, pipeline_of, run
    from edge.settings import RunSettings
    from edge.steps import default_overlap

    one_arena()
    model = arguments.detector_model
    settings = RunSettings(
        detector_model=Path(model) if model else None,
        sink=(f"jsonl:{folder / 'out.jsonl'}",),
        sink_limit_mb=1,
    )
    images = [narrowed(image, arguments.width) for image in read_film(folder / "film.avi")]
    until = time.monotonic() + 60 * (arguments.within or math.inf)
    source, vitals = FromMemory(images, arguments.frames, folder / "count", until), Vitals()
    with pipeline_of(settings, stills=False) as pipeline:
        sinks = open_sinks(settings, [source], pipeline.bundle, vitals)
        done = run(pipeline, source, sinks, vitals, overlap=default_overlap(), quiet=True)
        for sink in sinks:
            sink.close()
    print(f"{vitals.summary()}", file=sys.stderr)
    return int(done.frames != source.given)


def of_its_own(limit_mb: int) -> None:
    """In the child, before it is the run: the limit of its memory, and Ctrl-C as at a terminal.

    Whoever is started in the background by a shell is told to ignore SIGINT, hands that on, and would then
    have a run that nothing but SIGTERM ends.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (limit_mb << 20, limit_mb << 20))
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit code, after Ctrl-C; asked less and less kindly where that ends nothing."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        process.send_signal(number)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            continue
    return process.wait()


def watched(
    order: list[str], folder: Path, limit_mb: int, seconds: float, camera: Camera | None
) -> dict[str, Any]:
    """Run it for so long (0: until it ends), sampling once it has written; what the samples say."""
    written = folder / "out.jsonl"
    prepare = partial(of_its_own, limit_mb)
    # A library's threads would each take a stack of the limit before there is anything to compute.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    samples: list[dict[str, float]] = []
    lines = [0]
    with subprocess.Popen(order, preexec_fn=prepare, env=environment, **pipes) as process:  # noqa: PLW1509
        said: list[bytes] = []
        readers = [
            threading.Thread(target=count_lines, args=(process.stdout, lines), daemon=True),
            threading.Thread(target=lambda: said.append(process.stderr.read()), daemon=True),  # type: ignore[union-attr]
        ]
        for reader in readers:
            reader.start()
        while process.poll() is None and not written.exists():
            time.sleep(0.05)
        began = time.monotonic()
        pause = max(0.05, seconds / SAMPLES) if seconds else 2.0
        with Progress("soaking", round(seconds), "seconds") as progress:
            while process.poll() is None and (not seconds or time.monotonic() - began < seconds):
                time.sleep(pause)
                now = time.monotonic() - began
                try:
                    samples.append({"s": round(now, 1), **state(process.pid, folder)})
                except (OSError, ValueError, IndexError):
                    break  # it ended meanwhile
                if (
                    camera is not None
                    and camera.cuts < camera.planned
                    and now > seconds * (camera.cuts + 1) / (camera.planned + 1)
                ):
                    camera.cuts += 1
                progress.advance(pause)  # type: ignore[arg-type]
        code = ended(process) if seconds else process.wait(120)
        for reader in readers:
            reader.join(60)
    return {"exit_code": code, "lines": lines[0], "said": b"".join(said).decode().splitlines()[-12:],
            **figures(samples)}  # fmt: skip


def state(pid: int, folder: Path) -> dict[str, float]:
    """What the process is like, how much of it is its own (the rest are libraries' pages), how far it is."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = int(re.findall(r"^RssAnon:\s+(\d+)", status, re.MULTILINE)[0])
    found = {**process_state(pid), "anonymous_mb": round(own / 1024, 3), "load": round(os.getloadavg()[0], 1)}
    with suppress(OSError, ValueError):
        found["frames"] = int((folder / "count").read_text())
    return found


def count_lines(pipe: Any, lines: list[int]) -> None:
    """Each must be whole JSON."""
    for line in pipe:
        json.loads(line)
        lines[0] += 1


def photograph() -> Path:
    """Grace Hopper, in the public domain, who comes inside matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def soak(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    images = read_film(film(arguments.photo or photograph(), folder))
    model = arguments.detector_model
    if arguments.frames:
        order = [sys.executable, "-m", "benchmarks.soak", "--child", str(folder), *much(arguments)]
        order += ["--detector-model", model] if model else []
        return watched(order, folder, arguments.limit_mb, 0.0, None)
    camera = Camera([bytes(cv2.imencode(".jpg", image)[1]) for image in images], arguments.cuts)
    order = [
        sys.executable, "-m", "edge.cli", "run", f"http://127.0.0.1:{camera.server_port}/", "--json",
        "--sink", f"jsonl:{folder / 'out.jsonl'}", "--sink-limit-mb", "1",
    ]  # fmt: skip
    order += ["--detector-model", model] if model else []
    seconds = 60 * arguments.minutes
    found = watched(order, folder, arguments.limit_mb, seconds, camera)
    camera.shutdown()
    return {"frames_sent": camera.sent, "connections_cut": camera.cuts, **found}


def much(arguments: argparse.Namespace) -> list[str]:
    """The words that say how much is read."""
    if not arguments.frames:
        return ["--minutes", f"{arguments.minutes:g}", "--cuts", str(arguments.cuts)]
    words = ["--frames", str(arguments.frames)]
    words += ["--width", str(arguments.width)] if arguments.width else []
    return words + (["--within", f"{arguments.within:g}"] if arguments.within else [])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument(
        "--frames", type=int, default=0, help="from memory, this many, in place of the camera"
    )
    parser.add_argument("--cuts", type=int, default=4, help="times that the camera's connection is cut")
    parser.add_argument("--width", type=int, default=0, help="of those frames (default: 640 pixels)")
    parser.add_argument(
        "--within", type=float, default=0, help="minutes after which no more of them are read"
    )
    parser.add_argument("--detector-model", default="", help="YuNet's .onnx (default: what auto finds)")
    parser.add_argument("--photo", type=Path, help="a picture with a face (default: matplotlib's)")
    parser.add_argument("--limit-mb", type=int, default=350)
    parser.add_argument("--note", default="", help="what else the machine was doing, for the record")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return read_from_memory(arguments.child, arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = soak(arguments, Path(folder))
    record = {
        "schema": 1,
        "kind": "ferlite soak",
        **origin("benchmarks.soak"),
        "machine": {**asdict(machine.here()), **asdict(machine.moment())},
        "note": arguments.note,
        "limit_mb": arguments.limit_mb,
        **found,
    }
    save(record, arguments.save)
    print(json.dumps({**record, "samples": len(found["samples"]), "machine": "..."}, indent=1))
    return int(found["exit_code"] not in (0, 130))


if __name__ == "__main__":
    sys.exit(main())
