"""Text that stands in its file whole or not at all: for train, quantize and benchmarks."""

from __future__ import annotations

from pathlib import Path

from edge.errors import StorageFailed


def write_text(path: Path, text: str) -> None:
    """Write beside, then rename. Raises StorageFailed."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageFailed(f"cannot write '{path}': {error.strerror or error}") from error
