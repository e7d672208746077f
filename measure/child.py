"""Programs that are started to be measured, or to measure: how they find us, and why they failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.errors import FerliteError, ToolchainError

Error = Callable[[str], FerliteError]


def module(name: str, *words: str) -> list[str]:
    """The command that runs a module of ours in this interpreter; ``surroundings`` lets it be found."""
    return [sys.executable, "-m", name, *words]


def surroundings() -> dict[str, str]:
    """This process's environment, in which a child finds the very ferlite that started it."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


def run(
    words: Sequence[str],
    what: str,
    *,
    given: str = "",
    minutes: float | None = None,
    heard: bool = False,
    env: Mapping[str, str] | None = None,
    error: Error = ToolchainError,
) -> str:
    """What the program ``words`` prints when it is ``given`` text on standard input.

    ``what`` names it in messages. ``heard``: what it says on standard error goes to ours (its progress) and
    is not kept. ``env``: None is this process's own. Raises ``error`` where it cannot start, is killed,
    fails, or takes over ``minutes``.
    """
    try:
        done = subprocess.run(
            words,
            input=given,
            stdout=subprocess.PIPE,
            stderr=None if heard else subprocess.PIPE,
            text=True,
            errors="replace",
            env=env,
            check=False,
            timeout=None if minutes is None else minutes * 60,
        )
    except subprocess.TimeoutExpired as problem:
        raise error(f"{what} took over {minutes:g} minutes and was stopped") from problem
    except OSError as problem:
        raise error(f"{what} could not start: {problem.strerror or problem}") from problem
    if done.returncode:
        raise error(f"{what} {end(done.returncode, done.stderr or '')}")
    return done.stdout


def end(code: int, said: str) -> str:
    """How a program ended badly: killed, or failed with the line of what it ``said`` that says why."""
    if code < 0:
        return f"was killed by signal {-code}: was there too little memory?"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # pip says what went wrong before it says what else it noticed.
    wrong = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    return f"failed: {wrong[-1] if wrong else f'exit code {code}'}"


def answer(said: str, what: str) -> dict[str, Any]:
    """The JSON object that a measuring process printed. Raises ToolchainError, with its reason if any."""
    try:
        result = json.loads(said)
    except ValueError as problem:
        raise ToolchainError(f"{what} ended without a result") from problem
    if not isinstance(result, dict):
        raise ToolchainError(f"{what} ended without a result")
    if "error" in result:
        raise ToolchainError(str(result["error"]))
    return result
