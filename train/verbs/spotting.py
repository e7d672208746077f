"""``ferlite-train spotting``: hold the spotter of short movements against films with marked ones."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from edge.commands import command
from edge.commands.exits import OK
from edge.errors import UsageError
from edge.files import refuse_same

HELP = "measure how short movements are spotted in marked films"

LAYOUTS = ("casme2", "samm", "cas_me_2")


def add(verb: command.Parser) -> None:
    """The options of the verb."""
    verb.add_argument(
        "films", type=Path, metavar="FOLDER", help="where the films' frames are, a folder a film"
    )
    verb.add_argument(
        "--annotations", type=Path, required=True, metavar="FILE", help="the data set's sheet, .xlsx or .csv"
    )
    verb.add_argument("--layout", choices=LAYOUTS, required=True, help="whose films and sheet they are")
    verb.add_argument("--detector", default="auto", help="auto, yunet, haar (default: auto)")
    verb.add_argument("--detector-model", type=Path, metavar="FILE", help="its weights")
    verb.add_argument(
        "--spotter",
        default="",
        metavar="BUNDLE",
        help="network that spots: folder, .zip, name, or rule (default: spotter)",
    )
    command.record(verb)


def run(arguments: argparse.Namespace) -> int:
    """Spot, count, write the record."""
    from edge.bundle import files_of
    from edge.detect import DetectorOptions, choose, detector_class
    from edge.run import spotter_of
    from edge.settings import RULE
    from faces.spotting.annotations import LAYOUTS as KNOWN
    from train import spotting

    network = files_of(arguments.spotter or "spotter") if arguments.spotter != RULE else []
    inputs = [arguments.annotations, arguments.detector_model, *network, *arguments.films.rglob("*")]
    refuse_same([arguments.record], inputs)
    found, absent = spotting.films(arguments.films, arguments.annotations, arguments.layout)
    options = DetectorOptions(model=arguments.detector_model)
    chosen = choose(arguments.detector, options)
    if chosen.name == "haar":
        if arguments.spotter not in ("", RULE):
            raise UsageError(
                "--spotter knows faces by landmarks, and haar finds none: give --detector-model YUNET"
            )
        arguments.spotter = RULE
    detector = detector_class(chosen.name)(options)
    with ExitStack() as finish:
        finish.callback(detector.close)
        make = spotter_of(arguments.spotter, finish)
        record = spotting.measure(found, KNOWN[arguments.layout].rate, detector, make)
    record |= {"schema": 1, "layout": arguments.layout, "detector": chosen.name, "absent": absent}
    record["spotter"] = arguments.spotter or "spotter"
    command.keep(arguments, record)
    command.output(arguments, record, spotting.as_text(record))
    return OK
