"""Probes of several runs against one, joined into a record of an ablation.

    ferlite train probe RUN --against BASELINE --data fer2013.npz --split private --record a.json  (for each)
    python -m benchmarks.systems.probes a.json b.json --save benchmarks/records/systems-NAME.json

Every run was held against the same other run on the same faces, or nothing is joined.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import origin, save
from edge.errors import DataInvalid, FerliteError
from train import probe


def joined(paths: Sequence[Path]) -> dict[str, Any]:
    """The record of the ablation: its runs, first what all were held against. Raises DataInvalid."""
    records = [probe.read(path) for path in paths]
    first = records[0]
    for path, each in zip(paths, records, strict=True):
        if each["against"] is None or each["against"] != first["against"]:
            raise DataInvalid(f"'{path}' was not held against the same run as '{paths[0]}'")
        if each["data"] != first["data"]:
            raise DataInvalid(f"'{path}' was measured on other faces than '{paths[0]}'")
    against = {"run": first["against"], "rows": _figures(first, "against")}
    return {
        "schema": 1,
        "kind": "ferlite ablation",
        **origin("benchmarks.systems.probes", list(map(str, paths))),
        "data": first["data"],
        "environment": first["environment"],
        "runs": [against, *({"run": each["run"], "rows": _figures(each, "run")} for each in records)],
    }


def _figures(record: dict[str, Any], of: str) -> list[dict[str, Any]]:
    return [{"probed": row["probed"], "data": row["data"], "value": row[of]} for row in record["rows"]]


def markdown(record: dict[str, Any]) -> str:
    """A row for each figure, a column for each run: shares in per cent.

    Runs of one recipe with several seeds share a column: their mean, and the sample's deviation.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in record["runs"]:
        groups.setdefault((each["run"]["name"], each["run"].get("backbone", "")), []).append(each)
    alike = len({name for name, _ in groups}) < len(groups)
    titles = [backbone if alike else f"`{name}`" for name, backbone in groups]
    titles = [
        title if len(runs) == 1 else f"{title}, {len(runs)} seeds"
        for title, runs in zip(titles, groups.values(), strict=True)
    ]
    rows = [f"| probed | data | {' | '.join(titles)} |", "|---" * (len(titles) + 2) + "|"]
    # A network that is told more is asked more: what another was not asked stays empty.
    given = [
        [{(row["probed"], row["data"]): row["value"] for row in each["rows"]} for each in runs]
        for runs in groups.values()
    ]
    for asked in dict.fromkeys(key for runs in given for each in runs for key in each):
        shown = [_shown([each[asked] for each in runs if asked in each]) for runs in given]
        rows.append(f"| {' | '.join([*asked, *shown])} |")
    return "\n".join([*rows, "", f"{record['date']}, `{record['command']}`"])


def _shown(values: Sequence[float]) -> str:
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.1%}"
    return f"{statistics.mean(values):.1%} ± {statistics.stdev(values):.1%}"


def main() -> int:
    """Join, print, save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.systems.probes", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("records", type=Path, nargs="+", help="records of 'ferlite train probe --record'")
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    try:
        record = joined(arguments.records)
    except FerliteError as error:
        print(f"probes: {error}", file=sys.stderr)
        return 1
    print(markdown(record))
    save(record, arguments.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
