"""``ferlite quantize spotter``: the spotter's network to a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import FAILED, OK
from edge.files import refuse_same
from quantize.verbs import options

HELP = "the network of 'train spotter' to a bundle"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("run", type=Path, help="folder of its run, with the films it made")
    options.bundle(verb)
    command.record(verb)


def run(arguments: argparse.Namespace) -> int:
    """Build, judge, write."""
    from quantize.kinds import climb, spotter
    from train.spotter import cli as trained
    from train.spotter.learn import LEARNT

    kept = [arguments.run / name for name in (trained.LEARN, trained.CHOOSE, trained.RECORD, LEARNT)]
    refuse_same([arguments.out, arguments.record], [arguments.run, *kept])
    names = options.engines(arguments, climb.LADDERS)
    record = spotter.build(arguments.run, arguments.out, names, options.typed("spotter", arguments))
    command.keep(arguments, record)
    lines = [trained.as_text(record)]
    for name, row in record["engines"].items():
        verdict = "the gate passed" if row["passed"] else "no int8 recipe passed the gate"
        lines.append(f"{name}: {row['bytes'] / 1e3:.0f} kB, {row['ships']}, F1 {row['f1']:.3f}, {verdict}")
    command.output(arguments, record, "\n".join(lines))
    return OK if all(row["passed"] for row in record["engines"].values()) else FAILED
