"""Run as a process of its own: load one model, run one face, print the process's peak memory in MiB."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edge.engine import EngineOptions, ModelFile, load


def main(name: str, folder: str, layout: str, size: int, channels: int) -> None:
    """Measure the model whose parts lie in ``folder`` in engine ``name``."""
    parts = {path.suffix: path.read_bytes() for path in Path(folder).iterdir()}
    engine = load(name, ModelFile(name, parts), EngineOptions(threads=1))
    shape = (1, channels, size, size) if layout == "NCHW" else (1, size, size, channels)
    engine.run([np.zeros(shape, engine.inputs[0].dtype)])
    print(round(peak_mib(), 1))


def peak_mib() -> float:
    """Peak resident memory of this process since it began, in MiB."""
    try:
        # Not getrusage: on Linux that keeps the peak of the process which started this one.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
