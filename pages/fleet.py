"""A fleet's record as a page: every board, how it fares, and what it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pages import html

HEADINGS = (
    "board",
    "host",
    "state",
    "stage",
    "what it is",
    "version",
    "bundle",
    "engine",
    "ms a face",
    "seconds",
)


def page(record: Mapping[str, Any]) -> str:
    """The page of a record of 'ferlite boards fleet'."""
    boards = record["boards"]
    well = sum(one["ok"] for one in boards)
    about = f"{record['action']}, {record['when']}: {well} of {len(boards)} boards are well"
    ill = [f"{one['name']}: {one['error']}" for one in boards if one["error"]]
    return html.page(
        "ferlite: a fleet",
        [
            html.heading("Boards", about),
            html.bullets([], bad=ill),
            html.table(HEADINGS, map(_row, boards), (0, 1, 2, 4, 6, 7)),
        ],
    )


def _row(one: Mapping[str, Any]) -> list[str]:
    result = one["result"]
    time = result.get("median_ms")
    beside = " (beside its service)" if result.get("beside_service") else ""
    return [
        one["name"],
        one["host"],
        "well" if one["ok"] else "BAD",
        str(one["stage"] or ""),
        str(result.get("board") or ""),
        str(result.get("current") or ""),
        str(result.get("bundle") or ""),
        str(result.get("engine") or ""),
        f"{time:.2f}{beside}" if time is not None else "",
        f"{one['seconds']:g}",
    ]
