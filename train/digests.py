"""What identifies files and arrays, wherever a run or a build is held to what it was made of."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataInvalid
from edge.files import reason


def digest_of(path: Path) -> str:
    """Sha256 in hex of a file, or of a folder's files and their names. Raises DataInvalid."""
    sha256 = hashlib.sha256()
    try:
        for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
            if file != path:
                sha256.update(os.fsencode(file.relative_to(path)) + b"\0")
            with file.open("rb") as content:
                while piece := content.read(1 << 20):
                    sha256.update(piece)
    except OSError as error:
        raise DataInvalid(f"'{path}' cannot be read: {reason(error)}") from error
    return sha256.hexdigest()


def digest_of_arrays(arrays: Iterable[npt.NDArray[Any]]) -> str:
    """Sha256 in hex of arrays, their kinds and their shapes."""
    sha256 = hashlib.sha256()
    for array in arrays:
        sha256.update(f"{array.dtype.str} {array.shape}".encode())
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()
