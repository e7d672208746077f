"""A program of ours as a process of its own below a worker: it ends when the worker dies, or the run does."""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.lease import Lease
from edge.errors import ClusterError, WorkerRefuses
from edge.files import reason

PR_SET_PDEATHSIG = 1  # prctl(2)
LOOK_S = 0.5  # between two looks whether it is still wanted
ROOT = Path(__file__).parent.parent


def run(words: Sequence[str], lease: Lease, log: Path) -> tuple[int, str]:
    """Run module ``words[0]`` with the rest as its arguments: exit code, and what it printed.

    What it says goes to ``log``. Where the lease is gone it is told to end (SIGTERM) and waited for.
    Raises WorkerRefuses where it cannot start or the log cannot be written, ClusterError where it was killed.
    """
    try:
        with log.open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "cluster.child", str(os.getpid()), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
    except OSError as error:
        raise WorkerRefuses(f"cannot write '{log}': {reason(error)}") from error
    told = False
    while True:
        try:
            out, _ = process.communicate(timeout=LOOK_S)
            break
        except subprocess.TimeoutExpired:
            if not told and not lease.wanted():
                process.terminate()
                told = True
    if process.returncode < 0 and not told:
        raise ClusterError(
            f"its process was killed by signal {-process.returncode}: was there too little memory?"
        )
    return process.returncode, out


def last_words(log: Path) -> str:
    """The last line that says anything; "" where none does."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def main() -> None:
    """Become the module that is named, having asked the kernel to be told when the parent is gone."""
    parent, module, *rest = sys.argv[1:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        raise SystemExit(1)  # it died meanwhile, and nobody waits for anything
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
