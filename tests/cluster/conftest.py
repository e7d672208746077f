"""A real Dask cluster on loopback: a scheduler and two workers, each a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.required import absent

ROOT = Path(__file__).parents[2]
LONGEST_S = 120.0  # for a process of Dask's to be there, on a machine that does other things too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the packages of ferlite[cluster] there is nothing to test."""
    if find_spec("distributed") is None or find_spec("pyarrow") is None:
        for item in items:
            if item.path.parent == Path(__file__).parent:
                item.add_marker(pytest.mark.usefixtures("needs_cluster_packages"))


@pytest.fixture
def needs_cluster_packages() -> None:
    absent("cluster", "the packages of ferlite[cluster] are not installed")


@dataclass
class Processes:
    """A scheduler and its workers. ``file`` is what workers find it by."""

    folder: Path
    file: Path
    address: str
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def worker(
        self, *options: str, root: Path = ROOT, fsize: int | None = None, name: str = ""
    ) -> subprocess.Popen[bytes]:
        """Start a worker with ferlite from ``root``, whose files may have ``fsize`` bytes."""

        words = ["dask_worker", "--scheduler-file", str(self.file), "--nthreads", "1", "--no-dashboard"]
        words += ["--host", "127.0.0.1", "--local-directory", str(self.folder / f"w{len(self.running)}")]
        words += ["--name", name] if name else []
        process = start(*words, *options, root=root, log=self.folder / "log", limit=fsize)
        self.running.append(process)
        return process

    def wait_for(self, count: int) -> None:
        """Until so many workers are there."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=LONGEST_S)

    def stop(self) -> None:
        """End them, workers first."""
        for process in reversed(self.running):
            process.terminate()
        for process in self.running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start(*words: str, root: Path = ROOT, log: Path, limit: int | None = None) -> subprocess.Popen[bytes]:
    limited = [] if limit is None else ["prlimit", f"--fsize={limit}"]
    with log.open("ab") as file:
        return subprocess.Popen(
            [*limited, sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:]],
            stdout=file,
            stderr=file,
            cwd=log.parent,
            env={**os.environ, "PYTHONPATH": str(root)},
        )


@contextmanager
def scheduler(folder: Path) -> Iterator[Processes]:
    """A scheduler without workers."""
    file = folder / "scheduler.json"
    first = start(
        "dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(file),
        log=folder / "log",
    )
    began = time.monotonic()
    while not file.exists() or not file.read_text().endswith("}"):
        assert first.poll() is None and time.monotonic() - began < LONGEST_S, (folder / "log").read_text()
        time.sleep(0.02)
    processes = Processes(folder, file, json.loads(file.read_text())["address"], [first])
    try:
        yield processes
    finally:
        processes.stop()


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with scheduler(tmp_path_factory.mktemp("cluster")) as processes:
        processes.worker()
        processes.worker()
        yield processes
