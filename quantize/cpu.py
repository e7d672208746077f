"""What processor a figure was measured on, for records of quantize and benchmarks."""

from __future__ import annotations

from pathlib import Path


def cpu_name() -> str | None:
    """The processor's name as the kernel gives it, or the board's; None where it gives neither."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "Model"))]
    return named[0] if named else None
