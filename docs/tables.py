"""Write README's tables from the records that they come from: python docs/tables.py [--check]

Nothing between a table's markers is written by hand, and every number in it stands in a bundle's
bundle.json or in benchmarks/records. ``--check`` changes nothing and exits 1 where a table is out of date.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from boards import records  # noqa: E402

README = ROOT / "README.md"


def accuracy() -> str:
    """One row a bundle and engine, on the test set that nothing was chosen by."""
    rows = [
        "| bundle | engine | size | test set (n) | accuracy fp32 | int8 | macro-F1 | ECE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted((ROOT / "bundles").glob("*/bundle.json")):
        bundle = json.loads(path.read_text(encoding="utf-8"))
        for record in (each for each in bundle["accuracy"] if not each["data"].endswith("public")):
            parts = bundle["files"][record["engine"]]["parts"]
            size = sum((path.parent / part).stat().st_size for part in parts) / 1e6
            rows.append(
                f"| {bundle['name']} | {record['library']} | {size:.2f} MB "
                f"| {record['data']} ({record['images']:,}) "
                f"| {record['fp32_accuracy']:.1%} | {record['accuracy']:.1%} | {record['macro_f1']:.3f} "
                f"| {record['ece']:.1%} |"
            )
    return "\n".join(rows)


def cost() -> str:
    """What the runtime costs, with the machine and date it was measured on."""
    path = ROOT / "benchmarks" / "records" / "runtime_cost.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = ["| | median | lowest to highest |", "|---|---|---|"]
    for name, values in record["figures"].items():
        unit = name.rsplit(" ", 1)[1]
        digits = 0 if unit == "MB" else 2
        spread = f"{min(values):.{digits}f} to {max(values):.{digits}f}" if len(values) > 1 else "one run"
        what, median = name.rsplit(",", 1)[0], statistics.median(values)
        rows.append(f"| {what} | {median:.{digits}f} {unit} | {spread} |")
    machine = record["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    where = f"{machine['cpu']}, {machine['cores']} cores, load {machine['load'][0]:.1f}"
    rows += ["", f"{record['date']}, {where}; {libraries}. `{record['command']}`"]
    return "\n".join(rows)


def boards() -> str:
    """What was run on which board, and the long tests that need none."""
    table, proofs = records.markdown(records.load()), records.proofs_markdown(records.proofs())
    return f"{table}\n\nProved on a PC, without a board:\n\n{proofs}"


TABLES: dict[str, Callable[[], str]] = {"accuracy": accuracy, "cost": cost, "boards": boards}


def fill(text: str) -> str:
    """``text`` with what stands between each pair of markers made anew."""
    for name, table in TABLES.items():
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        made = table()
        text, count = re.subn(pattern, lambda m, made=made: f"{m[1]}{made}\n{m[2]}", text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"README.md has {count} places for table '{name}', not 1")
    return text


def main() -> int:
    """Fill README's tables, or check that they are current."""
    before = README.read_text(encoding="utf-8")
    after = fill(before)
    if "--check" in sys.argv:
        if before != after:
            print("README's tables are out of date: python docs/tables.py", file=sys.stderr)
        return int(before != after)
    README.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
