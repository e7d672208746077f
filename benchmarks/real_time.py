"""Is a camera kept up with, at what share of a core, and how fast is a file read?

    python -m benchmarks.real_time --photos FACE.jpg MORE.jpg --detector yunet.onnx
        [--seconds 60] [--frames 1500] [--first] [--note WORDS] [--save RECORD]

``ferlite run`` reads a camera of its own (HTTP MJPEG, 640 x 480, 30 frames a second), then a file of as many
frames as ``--frames``, with one and two engine threads, each showing one face and six
(benchmarks/peers/clips.py). Latency is that of the JSON lines, from a frame's capture to its reading;
processor time is the kernel's, between the first line after the warm-up and the last. ``--first``: at
real-time priority, for a machine that others use.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.peers import clips
from benchmarks.record import origin, save
from benchmarks.serve_load import process_state
from benchmarks.soak_sources import RATE, Camera
from measure import machine

PERIOD = 60  # frames after which the clips' camera stands where it stood
WARM_UP_S = 3.0
FILE_WARM_UP = 0.2  # of the frames
CAMERA_THREADS, THREADS = 1, 2  # small networks are not faster with two, and cost more
PRIORITY = 10


def command(source: str, detector: Path, *more: str) -> list[str]:
    """``ferlite run`` into JSON lines on standard output."""
    model = ["--detector-model", str(detector)]
    return [sys.executable, "-m", "edge.cli", "run", source, "--json", *model, *more]


def first() -> None:
    """In a child: before all processes that are not."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


def from_camera(pictures: list[bytes], detector: Path, seconds: float, before_all: bool) -> dict[str, Any]:
    """What so many seconds of a camera cost, and how late the readings were."""
    camera = Camera(pictures, 0)
    address = f"http://127.0.0.1:{camera.server_port}/"
    order = command(address, detector, "--threads", str(CAMERA_THREADS))
    latencies: list[float] = []
    with started(order, before_all) as process:
        assert process.stdout is not None
        began = before = None
        for line in process.stdout:
            now = time.monotonic()
            began = began or now
            if now - began < WARM_UP_S:
                continue
            if before is None:
                before, counted = process_state(process.pid), now
            latencies.append(json.loads(line)["latency_ms"])
            if now - counted >= seconds:
                break
        assert before is not None
        after = process_state(process.pid)
        process.send_signal(signal.SIGINT)
        process.wait(30)
    camera.shutdown()
    took = now - counted
    return {
        "frames": len(latencies),
        "frames_a_second": round(len(latencies) / took, 2),
        "share_of_a_core": round((after["cpu_s"] - before["cpu_s"]) / took, 3),
        "latency_ms_median": round(float(np.percentile(latencies, 50)), 2),
        "latency_ms_p95": round(float(np.percentile(latencies, 95)), 2),
        "latency_ms_most": round(max(latencies), 2),
        "rss_mb": round(after["rss_mb"], 1),
        "load": round(os.getloadavg()[0], 1),
    }


def from_file(path: Path, detector: Path, frames: int, before_all: bool) -> dict[str, Any]:
    """How fast the file is read, from the first line after the warm-up to the last."""
    skipped = round(FILE_WARM_UP * frames)
    with started(command(str(path), detector, "--threads", str(THREADS)), before_all) as process:
        assert process.stdout is not None
        for index, _ in enumerate(process.stdout):
            if index == skipped:
                began, before = time.monotonic(), process_state(process.pid)
            if index == frames - 1:
                took, after = time.monotonic() - began, process_state(process.pid)
        code = process.wait(60)
    if code:
        raise SystemExit(f"real_time: ferlite run ended with {code}")
    counted = frames - 1 - skipped
    return {
        "frames": counted,
        "frames_a_second": round(counted / took, 1),
        "cpu_ms_a_frame": round(1000 * (after["cpu_s"] - before["cpu_s"]) / counted, 2),
        "load": round(os.getloadavg()[0], 1),
    }


def started(order: list[str], before_all: bool) -> subprocess.Popen[bytes]:
    """The process, its words left to the void."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(order, preexec_fn=first if before_all else None, **streams)  # noqa: PLW1509


def footage(photos: list[Path], folder: Path, frames: int) -> dict[str, tuple[list[bytes], Path]]:
    """Both clips: a period of JPEGs, and a file of Motion JPEG of so many frames."""
    made = {}
    for name, raw in clips.make(photos, folder, PERIOD).items():
        images = np.fromfile(raw, np.uint8).reshape(-1, clips.HEIGHT, clips.WIDTH, 3)
        path = folder / f"{name}.avi"
        writer = cv2.VideoWriter(
            str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (clips.WIDTH, clips.HEIGHT)
        )
        for index in range(frames):
            writer.write(images[index % PERIOD])
        writer.release()
        made[name] = [bytes(cv2.imencode(".jpg", image)[1]) for image in images], path
    return made


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="the first has one face")
    parser.add_argument("--detector", type=Path, required=True, help="YuNet's .onnx")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--frames", type=int, default=1500, help="of each file")
    parser.add_argument("--first", action="store_true", help="at real-time priority")
    parser.add_argument("--note", default="", help="what else the machine was doing, for the record")
    parser.add_argument("--save", type=Path)
    arguments = parser.parse_args()
    if arguments.first:
        first()  # the camera too: its frames are to come in time
    with tempfile.TemporaryDirectory() as folder:
        made = footage(arguments.photos, Path(folder), arguments.frames)
        camera = {
            name: from_camera(pictures, arguments.detector, arguments.seconds, arguments.first)
            for name, (pictures, _) in made.items()
        }
        file = {
            name: from_file(path, arguments.detector, arguments.frames, arguments.first)
            for name, (_, path) in made.items()
        }
    record = {
        "schema": 1,
        "kind": "ferlite real time",
        **origin("benchmarks.real_time"),
        "machine": {**asdict(machine.here()), **asdict(machine.moment())},
        "note": arguments.note,
        "camera": camera,
        "file": file,
    }
    save(record, arguments.save)
    print(markdown(record))
    return 0


def markdown(record: dict[str, Any]) -> str:
    """The record as a table for the page."""
    lines = ["| | one face | six faces | wanted |", "|---|---|---|---|"]
    camera, file = record["camera"], record["file"]

    def row(what: str, said: str, wanted: str, of: dict[str, Any]) -> str:
        return f"| {what} | {' | '.join(said.format(**of[name]) for name in ('one', 'many'))} | {wanted} |"

    lines += [
        row(
            f"camera, {CAMERA_THREADS} thread: frames a second of 30",
            "{frames_a_second}",
            "every one",
            camera,
        ),
        row("camera: share of a core", "{share_of_a_core:.0%}", "at most 10 %", camera),
        row(
            "camera: capture to reading, median and p95",
            "{latency_ms_median} / {latency_ms_p95} ms",
            "p95 at most 20 ms",
            camera,
        ),
        row("camera: RSS", "{rss_mb} MiB", "at most 120 MB, 114 MiB", camera),
        row(f"file, {THREADS} threads: frames a second", "{frames_a_second}", "400 / 250", file),
        row("file: CPU-ms a frame", "{cpu_ms_a_frame}", "", file),
    ]
    loads = [each["load"] for group in (camera, file) for each in group.values()]
    where, note = record["machine"], record["note"]
    said = f"{record['date']}, {where['cpu']}, {where['cores']} cores, load {min(loads)} to {max(loads)}"
    return "\n".join([*lines, "", f"{said}{f' ({note})' if note else ''}: `{record['command']}`"])


if __name__ == "__main__":
    sys.exit(main())
