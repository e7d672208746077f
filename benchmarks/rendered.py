"""Tables of what the shipped networks say of rendered heads, from their records."""

from __future__ import annotations

from typing import Any


def named(record: dict[str, Any]) -> str:
    """How often each network names rendered faces as they were made, by ``benchmarks.made_faces``."""
    labels = list(record["rows"][0]["expressions"])
    rows = [f"| | bundle | {' | '.join(labels)} | balanced |", "|---" * (len(labels) + 3) + "|"]
    for each in record["rows"]:
        shares = [f"{each['expressions'][label]['read_so']:.0%}" for label in labels]
        rows.append(
            f"| {each['source']} | `{each['bundle']}` | {' | '.join(shares)} | {each['balanced']:.0%} |"
        )
    what = f"{record['rows'][0]['faces']} faces of each family, prior `{record['prior']}`"
    return "\n".join([*rows, "", f"{what}. {record['date']}, `{record['command']}`"])


def looked(record: dict[str, Any]) -> str:
    """What was seen on the sheet of the same faces, a line an expression."""
    seen = record["looked"]
    if seen is None:
        return "Nobody has looked at this sheet yet."
    lines = [f"- {expression}: {remark}" for expression, remark in seen["remarks"].items()]
    return "\n".join([*lines, "", f"Looked at on {seen['date']}, sheet `{seen['sheet_sha256'][:12]}`."])


def changed(record: dict[str, Any]) -> str:
    """How many readings change with one thing of a head: a record of ``ferlite train fairness``."""
    labels = list(record["bundles"][0]["changed"][0]["per_class"])
    rows = [f"| bundle | changed | pairs | all | {' | '.join(labels)} |", "|---" * (len(labels) + 4) + "|"]
    for found in record["bundles"]:
        for each in found["changed"]:
            shares = [f"{each['per_class'][label]:.0%}" for label in labels]
            cells = [f"`{found['model']['name']}`", each["what"], str(each["pairs"])]
            cells += [f"{each['otherwise']:.0%}", *shares]
            rows.append(f"| {' | '.join(cells)} |")
    where = f"{record['people']} heads, {record['source']}"
    return "\n".join([*rows, "", f"{where}. {record['environment']['date']}, `{record['command']}`"])
