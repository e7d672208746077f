"""``ferlite bench``: a thin face on ``bench.measure`` and ``compare``."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import fields
from pathlib import Path

from edge.commands import command
from edge.commands.exits import FAILED, OK
from edge.errors import UsageError
from measure.request import Order

PROGRAM = "ferlite-bench"
EPILOG = """
  ferlite bench BUNDLE --source clip.mp4   measure everything
  ferlite bench compare A.json B.json      two records side by side
"""
FILES = ("source", "detector_model")


def main(argv: list[str] | None = None) -> int:
    """Run ``argv`` (default: the process's own arguments) and return the exit code."""
    return command.main(PROGRAM, parser, argv)


def parser() -> command.Parser:
    """The whole command line; it has no verbs but the one that ``what`` may name."""
    bench = command.Parser(
        prog=PROGRAM,
        description="What a bundle costs on this machine: speed, memory, power.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG,
    )
    command.add_version(bench)
    bench.set_defaults(do=run)
    bench.add_argument("what", nargs="+", metavar="BUNDLE", help="a bundle, or: compare A.json B.json")
    bench.add_argument("--json", action="store_true", help="print the record as JSON")
    bench.add_argument("--engines", default="all", help="all, auto, or names with commas (default: all)")
    bench.add_argument("--threads", type=int, default=0, help="engine threads (default: the engine's own)")
    bench.add_argument("--device", default="", help="the engine's device (default: CPU)")
    bench.add_argument("--seconds", type=float, default=5.0, help="least time for each scenario (default: 5)")
    bench.add_argument("--faces", type=int, default=5, metavar="N", help="faces of multi-stream (default: 5)")
    bench.add_argument("--batch", type=int, default=32, metavar="N", help="faces of an offline query (32)")
    bench.add_argument("--starts", type=int, default=5, metavar="N", help="cold starts (default: 5)")
    frames = bench.add_argument_group("end to end")
    frames.add_argument(
        "--source", default="", help="picture, folder, video or camera, opened once (default: no such run)"
    )
    frames.add_argument("--frames", type=int, default=200, metavar="N", help="frames to time (default: 200)")
    frames.add_argument("--detector", default="auto", help="face detector (default: auto)")
    frames.add_argument("--detector-model", default="", metavar="FILE", help="its weights")
    frames.add_argument("--detector-engine", default="auto", metavar="ENGINE", help="the engine it runs in")
    frames.add_argument("--detect-size", type=int, default=0, metavar="PX", help="longer side searched")
    frames.add_argument("--detect-every", type=int, default=0, metavar="N", help="search every Nth frame")
    power = bench.add_argument_group("power")
    power.add_argument(
        "--power",
        default="auto",
        metavar="SENSOR",
        help="auto, none, ina3221, pmic, ina2xx, rapl, shelly:ADDRESS, tasmota:ADDRESS or "
        "command:PROGRAM that prints watts (default: auto)",
    )
    power.add_argument("--power-seconds", type=float, default=20.0, help="idle, and again running (20)")
    output = bench.add_argument_group("output besides the table (or --json) on standard output")
    output.add_argument("--record", type=Path, metavar="FILE", help="the record as JSON, raw values and all")
    output.add_argument("--csv", type=Path, metavar="FILE", help="the figures as CSV")
    output.add_argument("--html", type=Path, metavar="FILE", help="a page with plots")
    return bench


def run(arguments: argparse.Namespace) -> int:
    """Measure or compare, and print. Raises FerliteError."""
    if arguments.what[0] == "compare":
        return _compare(arguments)
    if len(arguments.what) > 1:
        raise UsageError(f"bench takes one bundle, not {len(arguments.what)}")
    return _bench(arguments)


def _bench(arguments: argparse.Namespace) -> int:
    from edge.bundle import files_of
    from edge.files import refuse_same, write_text
    from measure import output, page
    from measure.bench import measure

    for path in (arguments.record, arguments.csv, arguments.html):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"cannot write '{path}': there is no folder '{path.parent}'")
    refuse_same(
        [arguments.record, arguments.csv, arguments.html],
        [
            *map(Path, filter(None, (arguments.what[0], arguments.source, arguments.detector_model))),
            *files_of(arguments.what[0]),
        ],
    )
    asked = order(arguments)
    record = measure(asked, told(asked))
    if arguments.record:
        write_text(arguments.record, output.as_json(record))
    if arguments.csv:
        write_text(arguments.csv, output.as_csv(record))
    if arguments.html:
        write_text(arguments.html, page.page(record))
    print(output.as_json(record).rstrip() if arguments.json else output.table(record))
    for reason in record.verdict.voided:
        print(f"{PROGRAM}: this run is void: {reason}", file=sys.stderr)
    return FAILED if record.verdict.voided else OK


def order(arguments: argparse.Namespace) -> Order:
    """What the arguments ask for. Raises UsageError."""
    engines = tuple(dict.fromkeys(word.strip() for word in arguments.engines.split(",") if word.strip()))
    if not engines:
        raise UsageError("--engines is empty: give all, auto, or names with commas")
    typed = {entry.name: getattr(arguments, entry.name, None) for entry in fields(Order)}
    return Order(
        **{
            **{name: value for name, value in typed.items() if value is not None},
            "bundle": arguments.what[0],
            "engines": engines,
        }
    )


def told(asked: Order) -> str:
    """The command as it may stand in a record: files by their names, not by where they lay here."""
    words = ["ferlite", "bench", Path(asked.bundle).name]
    for entry in fields(Order):
        value = getattr(asked, entry.name)
        if entry.name == "engines":
            words += ["--engines", ",".join(value)] if value != ("all",) else []
        elif entry.name != "bundle" and value != entry.default:
            shown = Path(value).name if entry.name in FILES else str(value)
            words += [f"--{entry.name.replace('_', '-')}", shown]
    return shlex.join(words)


def _compare(arguments: argparse.Namespace) -> int:
    from measure import compare, record

    if len(arguments.what) != 3:
        raise UsageError("bench compare takes two records: ferlite bench compare A.json B.json")
    _, first, second = arguments.what
    result = compare.compare(record.read(first), record.read(second))
    print(json.dumps(result.as_table(), indent=2) if arguments.json else compare.text(result, first, second))
    return OK


if __name__ == "__main__":
    raise SystemExit(main())
