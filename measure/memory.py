"""Peak memory of a model in an engine, measured in a process of its own, and of the process at hand.

Run as ``python -m measure.memory``, this is that process: it loads a model, runs one face and prints.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from edge.bundle_files.sections import InputSpec
from edge.engine import EngineOptions, ModelFile, load
from edge.errors import BuildFailed
from measure import child
from measure.race import Runnable, told


def peak_rss(name: str, built: Runnable, spec: InputSpec) -> float:
    """Peak memory in MiB of a process that loads the engine's library and the model and runs one face."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix, content in built.parts.items():
            (Path(folder) / f"model{suffix}").write_bytes(content)
        size, channels = str(spec.size), str(spec.channels)
        words = child.module("measure.memory", name, folder, built.layout, size, channels)
        what = f"the process that measures engine '{name}'"
        return float(child.run(words, what, minutes=5, env=child.surroundings(), error=BuildFailed))


def main(name: str, folder: str, layout: str, size: int, channels: int) -> None:
    """Measure the model whose parts lie in ``folder`` in engine ``name``."""
    parts = {path.suffix: path.read_bytes() for path in Path(folder).iterdir()}
    engine = load(name, ModelFile(name, parts), EngineOptions(threads=1))
    shape = (1, channels, size, size) if layout == "NCHW" else (1, size, size, channels)
    engine.run([np.zeros(shape, engine.inputs[0].dtype), *told(engine)])
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
