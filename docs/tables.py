"""Write the pages' tables from the records that they come from: python docs/tables.py [--check]

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
from typing import Any

ROOT = Path(__file__).parent.parent
README, MEASURING = ROOT / "README.md", ROOT / "docs" / "how-we-measure.md"
QUANTIZING = ROOT / "docs" / "quantize.md"
TRAINING = ROOT / "docs" / "train-a-model.md"
RECORDS = ROOT / "benchmarks" / "records"
sys.path.insert(0, str(ROOT))

from benchmarks import install as installs  # noqa: E402 - needs the root on the path
from benchmarks import rolled as rolls  # noqa: E402
from benchmarks import steadiness as steady  # noqa: E402
from benchmarks.detection import table as detections  # noqa: E402
from benchmarks.peers import table as race  # noqa: E402
from boards import board_table  # noqa: E402
from measure import machine  # noqa: E402


def accuracy() -> str:
    """One row a bundle and engine, on the test set that nothing was chosen by."""
    rows = [
        "| bundle | engine | | size | FER2013 | float | ECE | FER+ | float | ECE | ms a face | int8/float |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted((ROOT / "bundles").glob("*/bundle.json")):
        bundle = json.loads(path.read_text(encoding="utf-8"))
        built = json.loads((path.parent / "build.json").read_text(encoding="utf-8"))["engines"]
        for engine, files in bundle["files"].items():
            own, crowd = (
                next(each for each in bundle["accuracy"] if (each["engine"], each["data"]) == (engine, data))
                for data in ("fer2013-private", "ferplus-private")
            )
            climb = built[engine]
            races = {rung["recipe"]: rung["race"] for rung in climb["rungs"] if rung["race"]}
            race = races.get(climb["shipped"])
            # Where no recipe passed the gate the float model ships, and was timed in each race.
            time = race["int8_ms"] if race else statistics.median(each["float_ms"] for each in races.values())
            size = sum((path.parent / part).stat().st_size for part in files["parts"]) / 1e6
            kept = re.search(r"-mixed-(\d+)$", climb["shipped"])
            precision = own["precision"] + (f", {kept[1]} in float" if kept else "")
            cells = [bundle["name"], own["library"], precision, f"{size:.2f} MB"]
            for record in (own, crowd):
                cells += [f"{record[key]:.1%}" for key in ("accuracy", "fp32_accuracy", "ece")]
            cells += [f"{time:.2f}", f"{race['ratio']:.2f}" if race else "-"]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def annotators() -> str:
    """Each bundle's answers by both scalings, held against both sets of labels, in its first engine."""
    rows = ["| bundle | weights follow | FER2013 | ECE | FER+ | ECE |", "|---|---|---|---|---|---|"]
    for path in sorted((ROOT / "bundles").glob("*/build.json")):
        built = json.loads(path.read_text(encoding="utf-8"))
        engine, climb = next(iter(built["engines"].items()))
        for followed, held in climb["crossed"].items():
            cells = [f"{built['name']}, {engine}", followed]
            for against in ("fer2013", "ferplus"):
                cells += [f"{held[against]['accuracy']:.1%}", f"{held[against]['ece']:.1%}"]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def cost() -> str:
    """What the runtime costs, with the machine and date it was measured on."""
    record = read("runtime_cost")
    rows = ["| | median | lowest to highest |", "|---|---|---|"]
    for name, values in record["figures"].items():
        unit = name.rsplit(" ", 1)[1]
        digits = 0 if unit == "MB" else 2
        spread = f"{min(values):.{digits}f} to {max(values):.{digits}f}" if len(values) > 1 else "one run"
        what, median = name.rsplit(",", 1)[0], statistics.median(values)
        rows.append(f"| {what} | {median:.{digits}f} {unit} | {spread} |")
    libraries = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    where = machine.read(record["machine"], "runtime_cost.json")
    rows += ["", f"{record['date']}, {where}; {libraries}. `{record['command']}`"]
    return "\n".join(rows)


def peers() -> str:
    """ferlite beside others, and the project's targets."""
    record = read("peers")
    return f"{race.markdown(record)}\n\n{race.targets(record, overheads())}"


def boards() -> str:
    """What was run on which board, and the long tests that need none."""
    table, proofs = (
        board_table.markdown(board_table.load()),
        board_table.proofs_markdown(board_table.proofs()),
    )
    return f"{table}\n\nProved on a PC, without a board:\n\n{proofs}"


def overheads() -> list[float]:
    """Of the pipeline around its engines on the clips `one` and `many`, where both were measured."""
    if not all((RECORDS / f"bench-{clip}.json").exists() for clip in race.CLIPS):
        return []
    engines = [read(f"bench-{clip}")["engines"] for clip in race.CLIPS]
    return [next(iter(each.values()))["scenarios"]["end-to-end"]["overhead"] for each in engines]


def install() -> str:
    """What pip brings with each engine."""
    return installs.markdown(read("install"))


def sizes() -> str:
    """Faces found by their size and the size of search."""
    return detections.sizes(read("detection"))


def input_sizes() -> str:
    """Accuracy and time of the shipped networks at several input sizes."""
    record = read("input_size")
    rows = [
        "| network | trained at | input | int8 accuracy | ms | int8/fp32 time |",
        "|---|---|---|---|---|---|",
    ]
    for each in record["rows"]:
        rows.append(
            f"| {each['network']} | {each['trained_at']} | {each['size']} | {each['int8']['accuracy']:.1%} "
            f"| {each['int8']['ms']:.2f} | {each['int8']['ms'] / each['float']['ms']:.2f} |"
        )
    where, data = machine.read(record["machine"], "input_size.json"), record["data"]
    rows += ["", f"{record['date']}, {where.cpu}, {record['library']}, 1 thread, {data['split']} "]
    rows[-1] += f"({data['faces']:,} faces), {record['clock']}: `{record['command']}`"
    return "\n".join(rows)


def following() -> str:
    """Faces found when they are followed between searches."""
    return detections.following(read("detection"))


def rolled() -> str:
    """What becomes of faces that are rolled."""
    return rolls.markdown(read("rolled"))


def steadiness() -> str:
    """How far readings of one face lie apart, its photograph turned and shrunk."""
    return steady.markdown(read("steadiness"))


def read(name: str) -> dict[str, Any]:
    """A record of benchmarks/records."""
    return dict(json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8")))


TABLES: dict[Path, dict[str, Callable[[], str]]] = {
    README: {"accuracy": accuracy, "cost": cost, "peers": peers, "boards": boards},
    QUANTIZING: {"input-sizes": input_sizes},
    TRAINING: {"annotators": annotators},
    MEASURING: {
        "install": install,
        "sizes": sizes,
        "following": following,
        "rolled": rolled,
        "steadiness": steadiness,
    },
}


def fill(page: Path) -> str:
    """The page's text with what stands between each pair of markers made anew."""
    text = page.read_text(encoding="utf-8")
    for name, table in TABLES[page].items():
        pattern = rf"(<!-- table: {name} -->\n).*?(<!-- end -->)"
        made = table()
        text, count = re.subn(pattern, lambda m, made=made: f"{m[1]}{made}\n{m[2]}", text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"{page.name} has {count} places for table '{name}', not 1")
    return text


def main() -> int:
    """Fill the tables, or check that they are current."""
    stale = []
    for page in TABLES:
        after = fill(page)
        if after != page.read_text(encoding="utf-8"):
            stale.append(page.name)
        if "--check" not in sys.argv:
            page.write_text(after, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"the tables in {', '.join(stale)} are out of date: python docs/tables.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
