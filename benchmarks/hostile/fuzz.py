"""Hostile files for every reader, in child processes whose memory is capped: does one of them crash?

    python -m benchmarks.hostile.fuzz [--cases 100000 | --each 100000] [--readers image video]
        [--save RECORD] [--keep FOLDER]

A case ends well when the reader takes the file or refuses it with a FerliteError. What counts against it: the
process dies, any other exception, or more than SLOWEST seconds. Such a file is kept in FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.hostile.readers import READERS
from benchmarks.record import origin, save
from edge.commands.progress import Progress
from edge.errors import FerliteError

# How the cases are shared out: where a case costs milliseconds, there are fewer.
SHARES = {
    "image": 0.27,
    "video": 0.04,
    "bundle.json": 0.12,
    "bundle.zip": 0.08,
    "onnx file": 0.12,
    "tflite file": 0.06,
    "onnx engine": 0.02,
    "tflite engine": 0.01,
    "edge.json": 0.09,
    "prior.json": 0.07,
    "bundle.sig": 0.04,
    "profile.json": 0.04,
    "voice.wav": 0.04,
}
BATCH = 2000  # cases of one child
MEMORY = 3 << 30  # bytes of address space that a child may have; libraries alone reserve one of them
SLOWEST = 10.0  # seconds of the processor
LONGEST = 900  # seconds of the processor for a batch: a case that never ends is found by this
MOST_DEATHS = 50  # of one reader, after which it is given up


def child(name: str, seed: int, first: int, count: int, report: Path) -> int:
    """Run the cases ``first`` to ``first + count``, writing the one in hand where the parent finds it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as scratch:  # noqa: PTH112
        reader = READERS[name](Path(scratch))
        outcomes: Counter[str] = Counter()
        faults: list[dict[str, Any]] = []
        slowest = 0.0
        with report.open("r+b", buffering=0) as file:
            for case in range(first, first + count):
                os.pwrite(file.fileno(), struct.pack("<q", case), 0)
                content = reader.change(reader.seeds, random.Random(f"{seed} {name} {case}"))
                began = time.process_time()  # a busy machine is no fault of the reader's
                try:
                    reader.read(content)
                    outcome = "taken"
                except FerliteError:
                    outcome = "refused"
                except Exception as error:
                    outcome = "unexpected"
                    faults.append({"case": case, "what": f"{type(error).__name__}: {error}"[:200]})
                took = time.process_time() - began
                slowest = max(slowest, took)
                if took > SLOWEST:
                    faults.append({"case": case, "what": f"took {took:.1f} s"})
                outcomes[outcome] += 1
            told = {"outcomes": outcomes, "faults": faults, "slowest": slowest}
            os.pwrite(file.fileno(), json.dumps(told).encode(), 8)
    return 0


def fuzz(name: str, count: int, seed: int, keep: Path | None, until: float) -> dict[str, Any]:
    """``count`` cases for one reader, a child after the other; fewer where the clock says ``until``."""
    done, slowest, deaths = 0, 0.0, 0
    outcomes: Counter[str] = Counter()
    faults: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch, Progress(name, count, "cases") as progress:
        report = Path(scratch) / "report"
        while done < count and deaths < MOST_DEATHS and time.monotonic() < until:
            batch = min(BATCH, count - done)
            report.write_bytes(struct.pack("<q", done))
            command = [
                sys.executable,
                "-m",
                "benchmarks.hostile.fuzz",
                "--child",
                name,
                str(seed),
                str(done),
                str(batch),
                str(report),
            ]
            code, words = _run(command)
            content = report.read_bytes()
            if code == 0:
                told = json.loads(content[8:])
                outcomes.update(told["outcomes"])
                faults += told["faults"]
                slowest = max(slowest, told["slowest"])
                progress.advance(batch)
                done += batch
                continue
            case = struct.unpack("<q", content[:8])[0]
            deaths += 1
            faults.append({"case": case, "what": f"the process ended with {code}: {words[-160:]}"})
            # What came before it went well, or it would have died earlier: how, died with it.
            outcomes["died"] += 1
            outcomes["before a death"] += case - done
            done = case + 1
    for fault in faults:
        fault["file"] = _kept(name, seed, fault["case"], keep)
    return {"cases": done, **outcomes, "slowest_s": round(slowest, 2), "faults": faults}


def _run(command: list[str]) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    return done.returncode, done.stderr.strip()


def _kept(name: str, seed: int, case: int, keep: Path | None) -> str:
    """Where the case's file was put, "" where none is kept; the record's seed and case make it again."""
    if keep is None:
        return ""
    keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        reader = READERS[name](Path(scratch))
        path = keep / f"{name.replace(' ', '-')}-{case}"
        path.write_bytes(reader.change(reader.seeds, random.Random(f"{seed} {name} {case}")))
    return path.name


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000, help="shared out over the readers")
    parser.add_argument("--each", type=int, default=0, help="this many for every reader instead")
    parser.add_argument(
        "--readers", nargs="*", default=list(READERS), choices=list(READERS), metavar="READER"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600, help="begin no further batch after so many")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, seed, first, count, report = arguments.child
        return child(name, int(seed), int(first), int(count), Path(report))
    until = time.monotonic() + 60 * arguments.minutes
    whole = sum(SHARES[name] for name in arguments.readers)
    readers: dict[str, Any] = {}
    for name in arguments.readers:
        share = arguments.each or round(arguments.cases * SHARES[name] / whole)
        readers[name] = fuzz(name, share, arguments.seed, arguments.keep, until)
        print(f"{name}: {readers[name]}", file=sys.stderr)
    record = {
        "schema": 1,
        "kind": "ferlite fuzz",
        **origin("benchmarks.hostile.fuzz"),
        "memory_mb": MEMORY >> 20,
        "cases": sum(each["cases"] for each in readers.values()),
        "died": sum(each.get("died", 0) for each in readers.values()),
        "unexpected": sum(each.get("unexpected", 0) for each in readers.values()),
        "readers": readers,
    }
    save(record, arguments.save)
    print(json.dumps(record, indent=1))
    return int(any(each["faults"] for each in readers.values()))


if __name__ == "__main__":
    sys.exit(main())
