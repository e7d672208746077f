"""Write the pages' tables from the records that they come from: python docs/tables.py [--check]

Nothing between a table's markers is written by hand, and every number in it stands in a bundle's
bundle.json or in benchmarks/records. ``--check`` changes nothing and exits 1 where a table is out of date.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
README, MEASURING = ROOT / "README.md", ROOT / "docs" / "how-we-measure.md"
LIVE = ROOT / "docs" / "live.md"
QUANTIZING = ROOT / "docs" / "quantize.md"
AUDIO_VISUAL = ROOT / "docs" / "systems" / "audio_visual.md"
PROFILE = ROOT / "docs" / "profile.md"
MOMENTS = ROOT / "docs" / "moments.md"
SCALE = ROOT / "docs" / "scale.md"
TRAINING = ROOT / "docs" / "train-a-model.md"
MADE = ROOT / "docs" / "made-faces.md"
SYSTEMS = ROOT / "docs" / "systems"
RECORDS = ROOT / "benchmarks" / "records"
sys.path.insert(0, str(ROOT))

from benchmarks import (  # noqa: E402 - needs the root on the path
    framing,
    growth,
    landmark_tables,
    real_time,
    rendered,
)
from benchmarks import install as installs  # noqa: E402
from benchmarks import people as ways  # noqa: E402
from benchmarks import profile as profiles  # noqa: E402
from benchmarks import rolled as rolls  # noqa: E402
from benchmarks import scale as scales  # noqa: E402
from benchmarks import steadiness as steady  # noqa: E402
from benchmarks.audio_visual import table as hearing  # noqa: E402
from benchmarks.detection import table as detections  # noqa: E402
from benchmarks.moments import table as moving  # noqa: E402
from benchmarks.pace import table as doing_less  # noqa: E402
from benchmarks.peers import table as race  # noqa: E402
from benchmarks.systems import probes  # noqa: E402
from benchmarks.systems import severity as pains  # noqa: E402
from benchmarks.systems import sphere as motions  # noqa: E402
from benchmarks.systems import tfen as clips  # noqa: E402
from benchmarks.systems import tfen_int8 as clips_int8  # noqa: E402
from boards import board_table  # noqa: E402
from edge import bundle as bundles  # noqa: E402
from edge.bundle import Bundle  # noqa: E402
from measure import machine  # noqa: E402
from measure import record as bench_record  # noqa: E402
from quantize.proof import build_record  # noqa: E402
from quantize.proof.build_record import BuildRecord, EngineBuild, Figures  # noqa: E402


def built() -> Iterator[tuple[Bundle, BuildRecord]]:
    """Every shipped bundle with the record of its build."""
    for path in sorted((ROOT / "bundles").glob("*/build.json")):
        yield bundles.load(path.parent), build_record.read(path)


def accuracy() -> str:
    """One row a bundle, in the engine in which it is fastest, on the test set that nothing was chosen by."""
    rows = [
        "| bundle | size | ms a face | people never seen | calm called neutral | poor pictures "
        "| FER2013 | FER+ |",
        "|---|---|---|---|---|---|---|---|",
    ]
    carried = {each["model"]["name"]: domains_of(each) for each in read("domains")["after"]}
    times = milliseconds()
    for bundle, record in built():
        engine, climb = min(record.engines.items(), key=lambda each: times[bundle.name, each[0]])
        own, crowd = on(climb, "fer2013-private"), on(climb, "ferplus-private")
        strangers = never_seen(carried[bundle.name])
        cells = [
            f"`{bundle.name}`",
            f"{megabytes(bundle, engine):.1f} MB",
            f"{times[bundle.name, engine]:.2f}",
            f"{strangers['balanced']:.1%}",
            f"{strangers['recall']['neutral']:.0%}",
            f"{carried[bundle.name]['corrupted']['balanced']:.1%}",
            f"{own.shipped.accuracy:.1%}",
            f"{crowd.shipped.accuracy:.1%}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    raced = read("bundle_times")
    where = f"{raced['date']}, {raced['machine']['cpu']}, one thread, one face at a time, all raced in turns"
    return "\n".join([*rows, "", f"{where}: `{raced['command']}`."])


def domains_of(scoreboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A bundle's rows of the scoreboard by the domain's name."""
    return {row["domain"]: row for row in scoreboard["domains"]}


def never_seen(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The row of LFW's people that no network was trained on."""
    return next(row for name, row in rows.items() if name.startswith("LFW"))


def engines() -> str:
    """One row a bundle and engine: what int8 cost in each, and how far its weights can be believed."""
    rows = [
        "| bundle | engine | | size | FER2013 | float | ECE | FER+ | float | ECE | ms a face | int8/float |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    times = milliseconds()
    for bundle, record in built():
        for engine, climb in record.engines.items():
            kept = re.search(r"-mixed-(\d+)$", climb.shipped)
            precision = on(climb, "fer2013-private").precision + (f", {kept[1]} in float" if kept else "")
            cells = [bundle.name, climb.library, precision, f"{megabytes(bundle, engine):.2f} MB"]
            for data in ("fer2013-private", "ferplus-private"):
                held = on(climb, data)
                cells += [f"{held.shipped.accuracy:.1%}", f"{held.plain.accuracy:.1%}", f"{held.ece:.1%}"]
            race = climb.timed.race if climb.timed else None
            ratio = f"{race.ratio:.2f}" if race and race.stable else "-"
            cells += [f"{times[bundle.name, engine]:.2f}", ratio]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def on(climb: EngineBuild, data: str) -> Figures:
    """The figures on a face set, which a shipped bundle must have."""
    found = climb.on(data)
    if found is None:
        raise SystemExit(f"a shipped bundle was not measured on {data}")
    return found


def milliseconds() -> dict[tuple[str, str], float]:
    """A face's time by bundle and engine, all raced in one process."""
    return {(row["bundle"], row["engine"]): row["ms"] for row in read("bundle_times")["rows"]}


def megabytes(bundle: Bundle, engine: str) -> float:
    """The engine's files."""
    return sum((bundle.path / part).stat().st_size for part in bundle.files[engine].parts) / 1e6


def people() -> str:
    """Every shipped bundle as it was and as it is, on people nobody trained on and on worse pictures."""
    record = read("domains")
    columns = list(record["after"][0]["domains"])
    names = [row["domain"] for row in columns]
    head = f"| bundle | | {' | '.join(names)} | calm faces called neutral |"
    rows = [head, "|---" * (len(names) + 3) + "|"]
    for when in ("before", "after"):
        for each in record[when]:
            by_name = domains_of(each)
            calm = never_seen(by_name)["recall"]["neutral"]
            shares = [f"{by_name[name]['balanced']:.1%}" for name in names]
            cells = ["`" + each["model"]["name"] + "`", when, *shares, f"{calm:.0%}"]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([*rows, "", f"{record['date']}, `{record['command']}`"])


def annotators() -> str:
    """Each bundle's answers by both scalings, held against both sets of labels, in its first engine."""
    rows = ["| bundle | weights follow | FER2013 | ECE | FER+ | ECE |", "|---|---|---|---|---|---|"]
    for _, record in built():
        engine, climb = next(iter(record.engines.items()))
        for followed, held in climb.crossed.items():
            cells = [f"{record.name}, {engine}", followed]
            for against in ("fer2013", "ferplus"):
                cells += [f"{held[against].accuracy:.1%}", f"{held[against].ece:.1%}"]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def cost() -> str:
    """What the runtime costs, with the machine and date it was measured on."""
    record = read("runtime_cost")
    rows = ["| | median | lowest to highest |", "|---|---|---|"]
    for name, values in record["figures"].items():
        unit = name.rsplit(" ", 1)[1]
        digits = 0 if unit == "MiB" else 2
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
    first = [
        next(iter(bench_record.read(RECORDS / f"bench-{clip}.json").engines.values())) for clip in race.CLIPS
    ]
    return [each.frames.overhead for each in first if each.frames and each.frames.overhead is not None]


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


def voice_alone() -> str:
    """The voice networks by themselves."""
    return hearing.alone(read("audio_visual"))


def voice_and_face() -> str:
    """What a voice adds to a face, by how bad each is."""
    return hearing.grid_table(read("audio_visual"))


def voice_parts() -> str:
    """What each part of the audio-visual system gives."""
    return hearing.parts(read("audio_visual"))


def profile() -> str:
    """What a person's profile is worth."""
    return profiles.markdown(read("profile"))


def rolled() -> str:
    """What becomes of faces that are rolled."""
    return rolls.markdown(read("rolled"))


def steadiness() -> str:
    """How far readings of one face lie apart, its photograph turned and shrunk."""
    return steady.markdown(read("steadiness"))


def scale() -> str:
    """What an archive on a cluster was measured to do and to need."""
    return scales.table(read("scale"))


def read(name: str) -> dict[str, Any]:
    """A record of benchmarks/records."""
    return dict(json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8")))


TABLES: dict[Path, dict[str, Callable[[], str]]] = {
    README: {"accuracy": accuracy, "cost": cost, "peers": peers, "boards": boards},
    LIVE: {"real-time": lambda: real_time.markdown(read("real_time"))},
    QUANTIZING: {"engines": engines, "input-sizes": input_sizes},
    SCALE: {"scale": scale},
    PROFILE: {"profile": profile},
    MOMENTS: {
        "moments": lambda: moving.by_rate(read("moments")),
        "moments-kinds": lambda: moving.by_kind(read("moments")),
        "moments-engines": lambda: moving.engines(read("moments")),
        "moments-naming": lambda: moving.naming(read("moments")),
        "moments-tones": lambda: moving.toned(read("moments")),
        "moments-real": lambda: moving.real(read("moments")),
        "moments-cost": lambda: moving.cost(read("moments")),
    },
    AUDIO_VISUAL: {
        "voice": voice_alone,
        "audio-visual": voice_and_face,
        "audio-visual-parts": voice_parts,
    },
    SYSTEMS / "prepared_cnn.md": {"light": lambda: probes.markdown(read("systems-prepared_cnn"))},
    SYSTEMS / "dcd_dan.md": {"domain": lambda: probes.markdown(read("systems-dcd_dan"))},
    SYSTEMS / "sphere.md": {"motions": lambda: motions.markdown(read("systems-sphere"))},
    SYSTEMS / "tfen.md": {
        "clips": lambda: clips.markdown(read("systems-tfen")),
        "clips-int8": lambda: clips_int8.markdown(read("systems-tfen-int8")),
    },
    SYSTEMS / "quantum.md": {"stems": lambda: probes.markdown(read("systems-quantum"))},
    SYSTEMS / "map_net.md": {"covered": lambda: probes.markdown(read("systems-map_net"))},
    SYSTEMS / "neonatal.md": {
        "newborns": lambda: probes.markdown(read("systems-neonatal")),
        "severity": lambda: pains.table(read("systems-severity")),
    },
    TRAINING: {
        "annotators": annotators,
        "people": people,
        "pixels": lambda: ways.markdown(read("people")),
        "framing": lambda: framing.markdown(read("framing")),
    },
    MADE: {
        "made-faces": lambda: rendered.named(read("made_faces")),
        "made-faces-seen": lambda: rendered.looked(read("made_faces")),
        "changed-heads": lambda: rendered.changed(read("fairness")),
        "landmarks": lambda: landmark_tables.found(read("landmarks")),
        "regions-cost": lambda: landmark_tables.cost(read("regions_cost")),
    },
    MEASURING: {
        "install": install,
        "sizes": sizes,
        "following": following,
        "rolled": rolled,
        "steadiness": steadiness,
        "soak": lambda: growth.markdown(read("soak"), read("soak-memory")),
        "pace": lambda: doing_less.markdown(read("pace")),
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
