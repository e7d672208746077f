"""Folders for compiled models, one for each version of what compiled them."""

from __future__ import annotations

import re
from pathlib import Path

from edge.errors import EngineRefused

_LIBRARIES = Path("/usr/lib/aarch64-linux-gnu")


def versioned(folder: str, *versions: str) -> str:
    """The subfolder for these versions, made if need be. Raises EngineRefused where it cannot be."""
    name = "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", version) for version in versions if version)
    path = Path(folder) / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineRefused(f"cannot keep compiled models in '{path}': {error.strerror}") from error
    return str(path)


def tensorrt_version(libraries: Path = _LIBRARIES) -> str:
    """TensorRT's version as its library's file is named; "" where it is not installed."""
    names = sorted(path.name for path in libraries.glob("libnvinfer.so.*.*"))
    return names[-1].replace("libnvinfer.so.", "tensorrt ") if names else ""
