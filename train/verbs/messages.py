"""What verbs say on standard error."""

from __future__ import annotations

import sys

from edge.errors import FerliteError

PROGRAM = "ferlite-train"


def stopped() -> None:
    """Say that the work that was stopped is not lost."""
    print(f"{PROGRAM}: stopped; the same command goes on from here", file=sys.stderr)


def complain(error: FerliteError) -> None:
    """Say what failed, where the rest goes on."""
    print(f"{PROGRAM}: {error}", file=sys.stderr)
