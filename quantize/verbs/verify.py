"""``ferlite quantize verify``: a bundle against its own record."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import FAILED, OK
from quantize.verbs import options
from quantize.verbs.messages import PROGRAM

if TYPE_CHECKING:
    from edge.bundle_files.golden import Outcome
    from quantize.proof.verify import Check

HELP = "measure a bundle again and hold it against its own record"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("bundle", help="a folder, a .zip or the name of a shipped bundle")
    verb.add_argument("--data", type=Path, required=True, help="packed FER2013 (.npz)")
    verb.add_argument("--engines", default="", help="only these, with commas (default: all in the bundle)")
    command.threads(verb)


def run(arguments: argparse.Namespace) -> int:
    """Measure again, and say what differs."""
    from quantize.proof import verify

    only = options.words(arguments.engines)
    checks = verify.verify(arguments.bundle, arguments.data, only, arguments.threads)
    golden = verify.answers(arguments.bundle, only)
    listing = [{**dataclasses.asdict(check), "holds": check.holds} for check in checks]
    told = {engine: dataclasses.asdict(each) if each else None for engine, each in golden.items()}
    facts = {"bundle": arguments.bundle, "checks": listing, "golden": told}
    command.output(arguments, facts, "\n".join(_checks_text(checks, golden)))
    wrong = [f"{check.engine} on {check.data}" for check in checks if not check.holds]
    wrong += [
        f"{engine}'s golden answers" for engine, each in golden.items() if each and each.state == "other"
    ]
    if wrong:
        print(f"{PROGRAM}: the bundle's record is not borne out: {', '.join(wrong)}", file=sys.stderr)
    return FAILED if wrong else OK


def _checks_text(checks: list[Check], golden: Mapping[str, Outcome | None]) -> list[str]:
    lines = []
    for check in checks:
        said = "no record" if check.recorded is None else f"recorded {check.recorded:.2%}"
        lines.append(
            f"{check.engine:9}{check.data:17}{check.accuracy:.2%} of {check.images} ({said}), macro-F1 "
            f"{check.macro_f1:.3f}, ECE {check.ece:.2%}{'' if check.holds else ': DIFFERS'}"
        )
    for engine, each in golden.items():
        if each is None:
            lines.append(f"{engine:9}golden answers   none in the bundle")
        else:
            how = {"same": "bit for bit", "close": "within rounding", "other": "DIFFER"}[each.state]
            lines.append(f"{engine:9}golden answers   {how}: weights up to {each.largest:.4f} off")
    return lines
