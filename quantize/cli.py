"""``ferlite-quantize``: the table of its verbs, which are in ``quantize.verbs``.

Results go to standard output and nothing else does; messages and progress go to standard error.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.commands import command
from edge.commands.command import Parser, Verb
from quantize.sizes import cli as sizes
from quantize.verbs import build, landmarks, recipes, sign, spotter, verify, voice
from quantize.verbs.messages import PROGRAM

# As the help lists them.
VERBS: Mapping[str, Verb] = {
    "build": build,
    "landmarks": landmarks,
    "voice": voice,
    "spotter": spotter,
    "verify": verify,
    "sign": sign,
    "sizes": sizes,
    "recipes": recipes,
}


def main(argv: list[str] | None = None) -> int:
    """Run ``argv`` (default: the process's own arguments) and return the exit code."""
    return command.main(PROGRAM, parser, argv)


def parser() -> Parser:
    """The whole command line."""
    return command.table(PROGRAM, "Trained classifiers to proved int8 bundles.", VERBS)


if __name__ == "__main__":
    raise SystemExit(main())
