"""``ferlite train sweep``: recipes with several settings and seeds, on a cluster."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import FAILED, OK
from edge.files import write_text
from train.verbs import messages, options

HELP = "train recipes with several settings and seeds, on a cluster"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("sweep", metavar="SWEEP", type=Path, help="file that says what is varied (.toml)")
    options.data(verb)
    verb.add_argument(
        "--on",
        default="local:1",
        type=command.filled,
        metavar="CLUSTER",
        help="local:N, tcp://SCHEDULER:PORT or ssh:HOSTS.txt (default: local:1)",
    )
    options.beginning(verb)
    verb.add_argument("--out", type=Path, required=True, help="folder of all runs, the record and the page")
    verb.add_argument(
        "--threads",
        type=command.whole(1, 256),
        default=1,
        metavar="N",
        help="CPU threads of each run (default: 1)",
    )
    verb.add_argument("--device", default="auto", help="auto, cpu or cuda (default: cuda where there is one)")


def run(arguments: argparse.Namespace) -> int:
    """Train all, write the record and the page."""
    from cluster import spec
    from train import sweep

    found = sweep.variants(sweep.load(arguments.sweep), arguments.sweep.parent)
    passed_on = ["--data", str(arguments.data.resolve()), "--layout", arguments.layout]
    passed_on += ["--threads", str(arguments.threads), "--device", arguments.device]
    passed_on += options.begun_with(arguments)
    try:
        done = sweep.run(found, spec.parse(arguments.on), arguments.out, passed_on, messages.complain)
    except KeyboardInterrupt:
        messages.stopped()
        raise
    write_text(arguments.out / sweep.PAGE, sweep.page(done))
    command.output(arguments, sweep.record(done), sweep.as_text(list(sweep.groups(done))))
    return OK if all(each.finished for each in done) else FAILED
