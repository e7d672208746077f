"""Records in files, for train, quantize and benchmarks: written whole or not at all, and read with care."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.errors import DataInvalid, StorageFailed


def write_text(path: Path, text: str) -> None:
    """Write beside, then rename. Raises StorageFailed."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageFailed(f"cannot write '{path}': {error.strerror or error}") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises DataInvalid."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataInvalid(f"'{path}' cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataInvalid(f"'{path}' is not JSON: {error}") from error


def read_record(path: Path, kind: str, schema: int, command: str) -> dict[str, Any]:
    """A JSON record with the keys ``kind`` and ``schema``, which ``command`` writes. Raises DataInvalid."""
    record = read_json(path)
    if not isinstance(record, dict) or record.get("kind") != kind:
        raise DataInvalid(f"'{path}' is not a record of '{command}'")
    if record.get("schema") != schema:
        raise DataInvalid(f"'{path}' has schema {record.get('schema')!r}, and this ferlite reads {schema}")
    return record
