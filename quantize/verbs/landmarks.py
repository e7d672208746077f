"""``ferlite quantize landmarks``: the landmark network to a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import FAILED, OK
from edge.files import refuse_same
from quantize.verbs import options

HELP = "the landmark network of 'train landmarks' to a bundle"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("run", type=Path, help="folder of its run, with the faces it gathered")
    options.bundle(verb)
    command.record(verb)


def run(arguments: argparse.Namespace) -> int:
    """Build, judge, write."""
    from quantize.kinds import climb, landmarks
    from train.landmarks import judge, marked
    from train.landmarks.cli import LEARN, TEST
    from train.landmarks.learn import LEARNT

    kept = [arguments.run / name for name in (LEARN, TEST, LEARNT)]
    refuse_same([arguments.out, arguments.record], [arguments.run, *kept])
    names = options.engines(arguments, climb.LADDERS)
    faces, test = (marked.read(arguments.run / name) for name in (LEARN, TEST))
    record = landmarks.build(
        arguments.run, faces, test, arguments.out, names, options.typed("landmarks", arguments)
    )
    command.keep(arguments, record)
    lines = [judge.as_text(record)]
    for name, row in record["engines"].items():
        verdict = "the gate passed" if row["passed"] else "no int8 recipe passed the gate"
        size = f"{row['bytes'] / 1e6:.2f} MB, {row['ships']}"
        lines.append(f"{name}: {size}, mean error {row['error']:.2%}, {verdict}")
    command.output(arguments, record, "\n".join(lines))
    return OK if all(row["passed"] for row in record["engines"].values()) else FAILED
