"""``ferlite-train``: the table of its verbs, which are in ``train.verbs`` and in the rooms of ``train``.

Results go to standard output and nothing else does; messages and progress go to standard error.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.commands import command
from edge.commands.command import Parser, Verb
from train.landmarks import cli as landmarks_cli
from train.spotter import cli as spotter_cli
from train.synth import cli as synth_cli
from train.synth import clips_cli
from train.verbs import (
    ask,
    blend,
    card,
    data,
    domains,
    evaluate,
    export,
    fairness,
    mark,
    pack,
    probe,
    recipes,
    report,
    run,
    spotting,
    sweep,
)
from train.verbs.messages import PROGRAM
from train.voice import cli as voice_cli

# As the help lists them.
VERBS: Mapping[str, Verb] = {
    "run": run,
    "data": data,
    "sweep": sweep,
    "synth": synth_cli,
    "clips": clips_cli,
    "mark": mark,
    "probe": probe,
    "landmarks": landmarks_cli,
    "voice": voice_cli,
    "spotter": spotter_cli,
    "recipes": recipes,
    "evaluate": evaluate,
    "domains": domains,
    "fairness": fairness,
    "spotting": spotting,
    "ask": ask,
    "report": report,
    "card": card,
    "export": export,
    "blend": blend,
    "pack": pack,
}


def main(argv: list[str] | None = None) -> int:
    """Run ``argv`` (default: the process's own arguments) and return the exit code."""
    return command.main(PROGRAM, parser, argv)


def parser() -> Parser:
    """The whole command line."""
    return command.table(PROGRAM, "Train and judge expression classifiers.", VERBS)


if __name__ == "__main__":
    raise SystemExit(main())
