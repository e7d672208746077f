"""What the bundle costs on each board of a fleet, measured there by the ferlite that is installed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from boards import deploy
from boards.board_table import Record
from boards.child import last_line
from boards.errors import BoardRefused, DeployFailed
from boards.remote import Remote

VOID = 1  # the exit code of a measurement that says itself that it is void


def bench(remote: Remote, prefix: str, seconds: float) -> dict[str, Any]:
    """Measure the installed bundle's network. ``beside_service``: its service ran meanwhile.

    Raises BoardRefused where nothing is installed, DeployFailed.
    """
    there = deploy.status(remote, prefix=prefix)
    if not there["current"]:
        raise BoardRefused(f"{remote.host}: nothing is installed there: deploy a bundle first")
    base = shlex.quote(f"{prefix.rstrip('/')}/opt/ferlite/current")
    words = f"{base}/bundle --engines {shlex.quote(str(there['engine']))} --seconds {seconds:g}"
    done = remote.run(f"exec {base}/venv/bin/ferlite-bench {words} --starts 1 --power none --json")
    try:
        if done.returncode not in (0, VOID):
            raise ValueError
        record: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        why = last_line(done.stderr) or f"exit code {done.returncode}"
        raise DeployFailed(f"{remote.host}: the measurement failed there: {why}") from error
    return {**there, **figures(record), "beside_service": bool(there["active"]), "record": record}


def figures(record: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in a table of boards: milliseconds of the one engine measured. Raises ValueError."""
    (engine, measured), *more = record["engines"].items()
    if more:
        raise ValueError("more than one engine was measured")
    queries = measured["scenarios"]["single-stream"]
    return {
        "measured": f"{engine} {measured['precision']}, {measured['version']}",
        "median_ms": queries["median_ms"],
        "p95_ms": queries["p95_ms"],
        "profile": record["machine"]["board"],
        "void": list(record.get("verdict", {}).get("voided", ())),
    }


def table_records(fleet_record: Mapping[str, Any]) -> Iterable[Record]:
    """One record for each board whose measurement counts, for the table of boards.

    Void ones, and those beside a running service, do not count.
    """
    for one in fleet_record["boards"]:
        result = one["result"]
        if not one["ok"] or result.get("void") or result.get("beside_service") or not result.get("profile"):
            continue
        record = result["record"]
        yield Record(
            board=result["profile"],
            engine=result["engine"],
            kind="measured",
            date=date.fromisoformat(record["date"][:10]),
            versions=f"ferlite {record['machine']['ferlite']}, {result['measured']}",
            result=f"{record['bundle']['name']} {result['median_ms']:.2f} ms a face",
            command=record["command"],
        )
