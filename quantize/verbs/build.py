"""``ferlite quantize build``: a training run to a proved int8 bundle."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import FAILED, OK
from edge.errors import FerliteError
from edge.files import refuse_same
from quantize.verbs import options
from quantize.verbs.messages import PROGRAM

if TYPE_CHECKING:
    from quantize.build import Ahead

HELP = "quantize a training run, prove it and write a bundle"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("run", type=Path, help="folder of a training run, or its best.pt")
    verb.add_argument(
        "--data", type=Path, required=True, help="packed FER2013 (.npz), or faces of the run's other labels"
    )
    verb.add_argument(
        "--domain",
        type=Path,
        action="append",
        default=[],
        help="other labelled faces that int8 is held on, and whose calm ones profiles are held against",
    )
    options.bundle(verb)
    verb.add_argument(
        "--ladder", default="default", help="recipes to try in order: a built-in name or a .toml"
    )
    verb.add_argument("--crop", default="fer2013", help="crop rule: a data set's name or a .json file")
    verb.add_argument(
        "--crop-size",
        type=command.whole(0, 1024),
        default=0,
        metavar="PX",
        help="side of a live face's crop (default: the crop rule's, or that of the test faces)",
    )
    verb.add_argument("--name", default="", help="the bundle's name (default: the training recipe's)")
    verb.add_argument(
        "--max-drop",
        type=command.number(0, 100),
        metavar="POINTS",
        help="percentage points of accuracy int8 may lose",
    )
    verb.add_argument(
        "--min-agreement",
        type=command.number(0, 1),
        metavar="0-1",
        help="share of faces that must keep their answer",
    )
    verb.add_argument(
        "--max-ratio",
        type=command.number(0, 1000),
        metavar="RATIO",
        help="int8 time over float time that is still accepted",
    )
    verb.add_argument(
        "--on",
        type=command.filled,
        metavar="CLUSTER",
        help="let a cluster build the rungs: local:N, tcp://SCHEDULER:PORT or ssh:HOSTS.txt",
    )
    command.threads(verb)


def run(arguments: argparse.Namespace) -> int:
    """Build, print the record."""
    from quantize import recipe
    from quantize.build import Order, build
    from quantize.proof import build_record, table
    from quantize.proof.bundling import read_framing
    from train.checkpoint import BEST

    # What is no file is the name of one that comes with this.
    named = [path for path in (Path(arguments.ladder), Path(arguments.crop)) if path.is_file()]
    read = [arguments.run, arguments.run / BEST, arguments.data, *arguments.domain, *named]
    refuse_same([arguments.out], read)
    ladder = recipe.load_ladder(arguments.ladder)
    settings = {
        "drop": arguments.max_drop,
        "agreement": arguments.min_agreement,
        "ratio": arguments.max_ratio,
    }
    asked = {name: value for name, value in settings.items() if value is not None}
    ladder = dataclasses.replace(ladder, gate=dataclasses.replace(ladder.gate, **asked))
    order = Order(
        run=arguments.run,
        data=arguments.data,
        out=arguments.out,
        engines=options.words(arguments.engines),
        ladder=ladder,
        framing=read_framing(arguments.crop).of_size(arguments.crop_size),
        name=arguments.name,
        domains=arguments.domain,
        command=as_typed(arguments),
        threads=arguments.threads,
    )
    try:
        outcome = build(order, _ahead(arguments.on))
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped; the same command goes on from here", file=sys.stderr)
        raise
    told = build_record.of_table(outcome.record, "this build")
    command.output(arguments, outcome.record, table.text(told))
    if outcome.passed:
        return OK
    failed = [engine for engine, climb in outcome.record["engines"].items() if not climb["passed"]]
    print(
        f"{PROGRAM}: no int8 recipe passed the gate for {', '.join(failed)}: "
        f"'{arguments.out}' ships the float model there",
        file=sys.stderr,
    )
    return FAILED


def _ahead(on: str | None) -> Ahead:
    """What is done before the climb: nothing, or the rungs by the cluster that was typed."""
    if not on:
        return lambda order, setting: None
    from cluster import spec
    from quantize.spread import prepare

    cluster = spec.parse(on)

    def complain(error: FerliteError) -> None:
        print(f"{PROGRAM}: {error}", file=sys.stderr)

    return lambda order, setting: prepare(order, setting, cluster, complain)


def as_typed(arguments: argparse.Namespace) -> str:
    """The command as it may be written into a bundle: files by their names, not by where they lay here."""
    words = [PROGRAM, "build", arguments.run.name, "--data", arguments.data.name, "-o", arguments.out.name]
    words += ["--engines", arguments.engines]
    words += [word for path in arguments.domain for word in ("--domain", path.name)]
    for option, value, usual in (
        ("--ladder", Path(arguments.ladder).name, "default"),
        ("--crop", Path(arguments.crop).name, "fer2013"),
        ("--crop-size", arguments.crop_size, 0),
        ("--name", arguments.name, ""),
        ("--max-drop", arguments.max_drop, None),
        ("--min-agreement", arguments.min_agreement, None),
        ("--max-ratio", arguments.max_ratio, None),
    ):
        if value != usual:
            words += [option, str(value)]
    return shlex.join(words)
