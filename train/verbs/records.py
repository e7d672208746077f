"""Records of several measurements, told apart by their kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def by_kind(paths: Sequence[Path]) -> tuple[list[dict[str, Any]], ...]:
    """Evaluation records, those of 'probe' and those of 'fairness', apart."""
    from edge.files import read_json
    from train import evaluate, fairness, probe

    kinds = {path: _kind(read_json(path)) for path in paths}
    reads = {probe.KIND: probe.read, fairness.KIND: fairness.read}
    others = [evaluate.read_record(path) for path, kind in kinds.items() if kind not in reads]
    apart = [[read(path) for path in paths if kinds[path] == kind] for kind, read in reads.items()]
    return others, *apart


def _kind(record: Any) -> Any:
    return record.get("kind") if isinstance(record, dict) else None
