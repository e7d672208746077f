"""Many viewers and many posted pictures at once: does the reading go on, and does anything grow?

    python -m benchmarks.serve_load --photo FACE.jpg [--viewers 50] [--posts 20] [--seconds 60]
        [--detector-model yunet.onnx] [--save RECORD]

``ferlite serve`` shows a film of the photograph at 15 frames a second, in a process of its own. First it
is left alone, then looked at by many (a fifth of them slow, one that takes nothing) and sent pictures, all
over loopback, then left alone again. Every frame of the film should be read; what may be
missed is pictures for viewers. Posts that come while eight are in hand are answered with 503: the detector
decides how many a second can be read (haar takes as long for one picture as yunet for a dozen).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np

from benchmarks.record import origin, save
from measure import machine

RATE = 15.0
SIZE = (640, 480)
SLOW = 5  # every so many a viewer takes a picture a second


@dataclass
class Seen:
    """What the clients saw."""

    pictures: list[int] = field(default_factory=list)  # per viewer
    answers: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)


def film(photo: Path, folder: Path) -> Path:
    """Ten seconds of the photograph, moving a little."""
    picture = cv2.imread(str(photo))
    if picture is None:
        raise SystemExit(f"'{photo}' is not a picture")
    scale = SIZE[1] / picture.shape[0]
    path = folder / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, SIZE)
    for index in range(int(10 * RATE)):
        shift = 20 * np.sin(index / RATE)
        matrix = np.array([[scale, 0, 80 + shift], [0, scale, 0]])
        writer.write(cv2.warpAffine(picture, matrix, SIZE, borderMode=cv2.BORDER_REPLICATE))
    writer.release()
    return path


async def look(session: aiohttp.ClientSession, address: str, number: int, seen: Seen, until: float) -> None:
    """One viewer; the last of them never reads a byte."""
    count = 0
    seen.pictures.append(0)
    async with session.get(f"{address}video") as answer:
        while time.monotonic() < until:
            if number == 0:
                await asyncio.sleep(0.5)
                continue
            try:
                part = await asyncio.wait_for(answer.content.readuntil(b"--ferlite-frame"), 15)
            except (asyncio.TimeoutError, asyncio.IncompleteReadError, aiohttp.ClientError):
                break
            count += len(part) > 100
            seen.pictures[number] = count
            if number % SLOW == 1:
                await asyncio.sleep(1)


async def post(
    session: aiohttp.ClientSession, address: str, photo: bytes, rate: float, seen: Seen, until: float
) -> None:
    """So many pictures a second, whether the ones before were answered or not."""

    async def one() -> None:
        began = time.monotonic()
        async with session.post(f"{address}read", data=photo) as answer:
            await answer.read()
            seen.answers[answer.status] += 1
            if answer.status == 200:
                seen.waits.append(time.monotonic() - began)

    sent: set[asyncio.Task[None]] = set()
    while time.monotonic() < until:
        task = asyncio.create_task(one())
        sent.add(task)
        task.add_done_callback(sent.discard)
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*sent)


async def state(session: aiohttp.ClientSession, address: str) -> dict[str, Any]:
    """The newest message of the page."""
    async with session.get(f"{address}events") as answer:
        line = await answer.content.readuntil(b"\n\n")
        return dict(json.loads(line.removeprefix(b"data: ")))


def process_state(pid: int) -> dict[str, float]:
    """Memory, threads, descriptors and processor time of the server so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    found = {key: int(re.findall(rf"^{key}:\s+(\d+)", status, re.M)[0]) for key in ("VmRSS", "Threads")}
    return {
        "rss_mb": round(found["VmRSS"] / 1024, 3),
        "threads": found["Threads"],
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "cpu_s": (int(ticks[11]) + int(ticks[12])) / 100,
    }


async def phase(
    session: aiohttp.ClientSession,
    address: str,
    pid: int,
    seconds: float,
    photo: bytes,
    viewers: int,
    posts: float,
) -> dict[str, Any]:
    """A stretch of time with so many viewers and posts: what was read in it, and what the server was like."""
    seen, until = Seen(), time.monotonic() + seconds
    before, began, clock = await state(session, address), process_state(pid), time.monotonic()
    samples: list[dict[str, float]] = []
    tasks = [asyncio.create_task(look(session, address, number, seen, until)) for number in range(viewers)]
    if posts:
        tasks.append(asyncio.create_task(post(session, address, photo, posts, seen, until)))
    while time.monotonic() < until:
        await asyncio.sleep(min(5.0, seconds / 6))
        samples.append(process_state(pid))
    after, took = await state(session, address), time.monotonic() - clock
    await asyncio.gather(*tasks, return_exceptions=True)
    waits = sorted(seen.waits)
    return {
        "viewers": viewers,
        "posts_a_second": posts,
        "seconds": round(took, 1),
        "frames_read": after["frames"] - before["frames"],
        "frames_a_second": round((after["frames"] - before["frames"]) / took, 2),
        "latency_ms": after["latency_ms"],
        "pictures_a_viewer_a_second": round(float(np.median(seen.pictures)) / took, 2) if viewers else None,
        "posts": {str(status): count for status, count in sorted(seen.answers.items())},
        "post_s_median": round(waits[len(waits) // 2], 3) if waits else None,
        "cpu_s_a_second": round((process_state(pid)["cpu_s"] - began["cpu_s"]) / took, 2),
        "samples": samples,
    }


async def measure(address: str, pid: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Alone, under load, and alone again: what load leaves behind stays in the last one."""
    photo = arguments.photo.read_bytes()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=None)
    ) as session:
        short = max(5.0, arguments.seconds / 4)
        return [
            await phase(session, address, pid, short, photo, 0, 0),
            await phase(session, address, pid, arguments.seconds, photo, arguments.viewers, arguments.posts),
            await phase(session, address, pid, short, photo, 0, 0),
        ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--posts", type=float, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--detector-model", default="", help="YuNet's .onnx (default: what auto finds)")
    parser.add_argument("--save", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        order = [
            sys.executable,
            "-m",
            "edge.cli",
            "serve",
            str(film(arguments.photo, Path(scratch))),
            "--listen",
            "0",
        ]
        order += ["--detector-model", arguments.detector_model] if arguments.detector_model else []
        with subprocess.Popen(order, stderr=subprocess.PIPE, text=True) as server:
            try:
                assert server.stderr is not None
                said = (re.search(r"serving at (\S+)", line) for line in server.stderr)
                address = next(match[1] for match in said if match)
                phases = asyncio.run(measure(address, server.pid, arguments))
            finally:
                server.kill()
    record = {
        "schema": 1,
        "kind": "ferlite serve load",
        **origin("benchmarks.serve_load"),
        "machine": asdict(machine.here()),
        "film_frames_a_second": RATE,
        "phases": phases,
    }
    save(record, arguments.save)
    print(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
