"""The record as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

VOICES: Mapping[str, float | None] = {"clean": math.inf, "10 dB": 10.0, "0 dB": 0.0, "none": None}
FACES = ("clean", "dark", "masked", "none")


def grid_table(record: Mapping[str, Any]) -> str:
    """The grid: in each cell the pair's share, and the better single one's."""
    rows = [f"| paired by label | {' | '.join(f'face {kind}' for kind in FACES)} |", "|---" * 5 + "|"]
    for voice in VOICES:
        cells = []
        for face in FACES:
            found = [each for each in record["cells"] if each["voice"] == voice and each["face"] == face]
            cells.append(f"{found[0]['fused']:.1%} ({found[0]['best single']:.1%})" if found else "-")
        rows.append(f"| voice {voice} | {' | '.join(cells)} |")
    return "\n".join([*rows, "", f"{record['date']}, {record['pairs']} pairs: `{record['command']}`"])


def parts(record: Mapping[str, Any]) -> str:
    """What each part of the system gives, measured without it."""
    cells = {(each["voice"], each["face"]): each for each in record["cells"]}
    rows = ["| | with | without |", "|---|---|---|"]
    for pair in (("clean", "clean"), ("10 dB", "dark"), ("clean", "masked")):
        each = cells[pair]
        rows.append(
            f"| roots and not the plain sum; voice {pair[0]}, face {pair[1]}, paired by label "
            f"| {each['fused']:.1%} | {each['plain sum']:.1%} |"
        )
    moments = record["half of the moments silent and neutral"]
    shares = " | ".join(f"{share:.1%}" for share in moments.values())
    rows.append(f"| key moments; every other moment silent and neutral, paired by label | {shares} |")
    if "attention" in record:
        shares = " | ".join(f"{each['accuracy']:.1%}" for each in record["attention"].values())
        rows.append(f"| attention; the voice alone, speakers left out | {shares} |")
    return "\n".join(rows)


def alone(record: Mapping[str, Any]) -> str:
    """The voice alone, in float and in each engine."""
    rows = ["| | utterances | accuracy | balanced |", "|---|---|---|---|"]
    for where, one in record["voice networks"].items():
        within = f" ± {one['within']:.1%}" if "within" in one else ""
        rows.append(
            f"| {where} | {one['utterances']} | {one['accuracy']:.1%}{within} "
            f"| {one['balanced_accuracy']:.1%} |"
        )
    return "\n".join(
        [*rows, "", f"{record['date']}: `ferlite train voice`, `ferlite quantize voice`, as above"]
    )
