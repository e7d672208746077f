"""Programs of the system, run to their end: one that is not there is said in a sentence."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from boards.errors import ToolMissing


def run(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, capture: bool = True, hint: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program and wait; its text may be in any encoding. ``hint``: how to install it.

    Without ``capture`` it talks to the terminal itself. Raises ToolMissing.
    """
    try:
        return subprocess.run(
            command, env=env, capture_output=capture, text=True, errors="replace", check=False
        )
    except OSError as error:
        advice = f": {hint}" if hint else ""
        raise ToolMissing(f"cannot run '{command[0]}' ({error.strerror}){advice}") from error


def last_line(text: str) -> str:
    """The last line that says anything; "" where none does."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
