"""``ferlite-quantize bench``: a thin face on ``record.measure`` and ``compare``."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from edge.errors import UsageError
from edge.exits import FAILED, OK
from measure.request import Order

PROGRAM = "ferlite-quantize"
EPILOG = """
  ferlite-quantize bench BUNDLE --source clip.mp4   measure everything
  ferlite-quantize bench compare A.json B.json      two records side by side
"""


def add(bench: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    bench.formatter_class = argparse.RawDescriptionHelpFormatter
    bench.epilog = EPILOG
    bench.add_argument("what", nargs="+", metavar="BUNDLE", help="a bundle, or: compare A.json B.json")
    bench.add_argument("--engine", default="all", help="all, auto, or names with commas (default: all)")
    bench.add_argument("--threads", type=int, default=0, help="engine threads (default: the engine's own)")
    bench.add_argument("--device", default="", help="the engine's device (default: CPU)")
    bench.add_argument("--seconds", type=float, default=5.0, help="least time for each scenario (default: 5)")
    bench.add_argument("--faces", type=int, default=5, metavar="N", help="faces of multi-stream (default: 5)")
    bench.add_argument("--batch", type=int, default=32, metavar="N", help="faces of an offline query (32)")
    bench.add_argument("--starts", type=int, default=5, metavar="N", help="cold starts (default: 5)")
    frames = bench.add_argument_group("end to end")
    frames.add_argument(
        "--source", default="", help="picture, folder, video or camera (default: no such run)"
    )
    frames.add_argument("--frames", type=int, default=200, metavar="N", help="frames to time (default: 200)")
    frames.add_argument("--detector", default="auto", help="face detector (default: auto)")
    frames.add_argument("--detector-model", default="", metavar="FILE", help="its weights")
    frames.add_argument("--detector-engine", default="auto", metavar="ENGINE", help="the engine it runs in")
    frames.add_argument("--detect-size", type=int, default=0, metavar="PX", help="longer side searched")
    frames.add_argument("--detect-every", type=int, default=0, metavar="N", help="search every Nth frame")
    power = bench.add_argument_group("power")
    power.add_argument("--power", default="auto", metavar="SENSOR",
                       help="auto, none, ina3221, pmic, ina2xx, rapl, shelly:ADDRESS, tasmota:ADDRESS or "
                            "command:PROGRAM that prints watts (default: auto)")  # fmt: skip
    power.add_argument("--power-seconds", type=float, default=20.0, help="idle, and again running (20)")
    output = bench.add_argument_group("output besides the table (or --json) on standard output")
    output.add_argument("--save", type=Path, metavar="FILE", help="the record as JSON, raw values and all")
    output.add_argument("--csv", type=Path, metavar="FILE", help="the figures as CSV")
    output.add_argument("--html", type=Path, metavar="FILE", help="a page with plots")


def run(arguments: argparse.Namespace) -> int:
    """Measure or compare, and print. Raises FerliteError."""
    if arguments.what[0] == "compare":
        return _compare(arguments)
    if len(arguments.what) > 1:
        raise UsageError(f"bench takes one bundle, not {len(arguments.what)}")
    return _bench(arguments)


def _bench(arguments: argparse.Namespace) -> int:

    from edge.files import write_text
    from measure import output, page
    from measure.bench import measure

    for path in (arguments.save, arguments.csv, arguments.html):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"cannot write '{path}': there is no folder '{path.parent}'")
    record = measure(order(arguments), command(arguments))
    if arguments.save:
        write_text(arguments.save, output.dumps(record))
    if arguments.csv:
        write_text(arguments.csv, output.as_csv(record))
    if arguments.html:
        write_text(arguments.html, page.page(record))
    print(output.dumps(record).rstrip() if arguments.json else output.table(record))
    for reason in record["verdict"]["voided"]:
        print(f"{PROGRAM}: this run is void: {reason}", file=sys.stderr)
    return FAILED if record["verdict"]["voided"] else OK


def order(arguments: argparse.Namespace) -> Order:
    """What the arguments ask for. Raises UsageError."""
    engines = tuple(dict.fromkeys(word.strip() for word in arguments.engine.split(",") if word.strip()))
    if not engines:
        raise UsageError("--engine is empty: give all, auto, or names with commas")
    same = (
        "threads", "device", "seconds", "faces", "batch", "source", "frames", "detector", "detector_model",
        "detector_engine", "detect_size", "detect_every", "starts", "power", "power_seconds",
    )  # fmt: skip
    return Order(arguments.what[0], engines, **{name: getattr(arguments, name) for name in same})


def command(arguments: argparse.Namespace) -> str:
    """The command as it may stand in a record: files by their names, not by where they lay here."""
    words = [PROGRAM, "bench", Path(arguments.what[0]).name]
    for name, usual in (
        ("engine", "all"), ("threads", 0), ("device", ""), ("seconds", 5.0), ("faces", 5), ("batch", 32),
        ("starts", 5), ("source", ""), ("frames", 200), ("detector", "auto"), ("detector_model", ""),
        ("detector_engine", "auto"), ("detect_size", 0), ("detect_every", 0), ("power", "auto"),
        ("power_seconds", 20.0),
    ):  # fmt: skip
        value = getattr(arguments, name)
        if value != usual:
            shown = Path(value).name if name in ("source", "detector_model") else str(value)
            words += [f"--{name.replace('_', '-')}", shown]
    return shlex.join(words)


def _compare(arguments: argparse.Namespace) -> int:
    from measure import compare, output

    if len(arguments.what) != 3:
        raise UsageError("bench compare takes two records: bench compare A.json B.json")
    _, first, second = arguments.what
    result = compare.compare(output.read(first), output.read(second))
    print(output.dumps(result).rstrip() if arguments.json else compare.text(result, first, second))
    return OK
