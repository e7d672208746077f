"""What ``ferlite boards`` says on the way, on standard error: standard output is for results."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """One line."""
    print(text, file=sys.stderr, flush=True)
