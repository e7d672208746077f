"""The peers' processes, and rounds in which each has its turn on the same frames."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


class Runner:
    """A peer's process, alive over all rounds; ``start_s`` is from its start to its first answer."""

    def __init__(self, name: str, command: Sequence[str], threads: int, clip: Path) -> None:
        self.name = name
        limits = dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
            str(threads),
        )
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_minloglevel": "3", "PYTHONWARNINGS": "ignore"}
        self._chatter = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        began = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._chatter,
            text=True,
            env={**os.environ, **limits, **quiet, "CUDA_VISIBLE_DEVICES": ""},
        )
        self.first = self.chunk(clip, 0, 1)
        self.start_s = time.perf_counter() - began

    def chunk(self, clip: Path, first: int, count: int) -> dict[str, Any]:
        """``count`` frames of a clip, from ``first`` on. Raises SystemExit where the peer breaks down."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps({"clip": str(clip), "first": first, "count": count}) + "\n")
            process.stdin.flush()
            # What a library printed while it was imported comes first.
            line = next((said for said in process.stdout if said.startswith("{")), "")
        except BrokenPipeError:
            line = ""
        if not line:
            process.kill()
            self._chatter.seek(0)
            said = self._chatter.read().decode(errors="replace").strip()
            self.close()
            raise SystemExit(f"peers: {self.name} broke down: {said[-600:]}")
        return dict(json.loads(line))

    def memory_mib(self) -> tuple[float, float]:
        """Resident MiB now and at most so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        now, most = (int(status.split(f"{key}:")[1].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
        return now, max(now, most)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it may have died with a line on its way
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._chatter.close()


def cold_starts(
    commands: Mapping[str, Sequence[str]], clip: Path, threads: int, count: int
) -> dict[str, Any]:
    """Seconds from start to first answer for each peer, in turns; the first turn warms the disk's cache."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(count + 1):
        for name, command in commands.items():
            print(f"cold start {turn}/{count}: {name}", file=sys.stderr)
            runner = Runner(name, command, threads, clip)
            seconds[name].append(runner.start_s)
            runner.close()
    return {name: {"first_s": times[0], "raw_s": times[1:]} for name, times in seconds.items()}


def race(
    commands: Mapping[str, Sequence[str]],
    clips: Mapping[str, Path],
    *,
    frames: int,
    rounds: int,
    threads: int,
) -> dict[str, Any]:
    """Every peer on every clip in ``rounds`` turns. A round of warm-up frames comes first and is not kept."""
    runners = {name: Runner(name, command, threads, clips["one"]) for name, command in commands.items()}
    results: dict[str, Any] = {name: {clip: _empty() for clip in clips} for name in commands}
    loads = []
    try:
        each = frames // rounds
        for name, runner in runners.items():
            for clip in clips.values():
                runner.chunk(clip, 0, min(5, frames))
            print(f"warm: {name}", file=sys.stderr)
        for turn in range(rounds):
            for clip, path in clips.items():
                for name, runner in runners.items():
                    answer = runner.chunk(path, turn * each, each)
                    for key, values in answer.items():
                        results[name][clip][key] += values
            loads.append(round(os.getloadavg()[0], 2))
            print(f"round {turn + 1}/{rounds}, load {loads[-1]}", file=sys.stderr)
        for name, runner in runners.items():
            results[name]["rss_mib"], results[name]["rss_peak_mib"] = runner.memory_mib()
    finally:
        for runner in runners.values():
            runner.close()
    return {"peers": results, "loads": loads}


def _empty() -> dict[str, list[Any]]:
    return {"wall_ms": [], "cpu_ms": [], "faces": []}
