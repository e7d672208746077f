"""``ferlite run ... --on CLUSTER --out FOLDER``, as ``edge.cli`` hands it over."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.commands import exits
from edge.errors import FerliteError, UsageError
from edge.settings import RunSettings

if TYPE_CHECKING:
    from cluster.archive.run import Summary

PROGRAM = "ferlite"
# Ways out of a single computer, and what needs the frames themselves.
NOT_HERE = (
    "save",
    "sink",
    "mqtt",
    "metrics",
    "most",
    "notify",
    "isolate",
    "privacy",
    "profile",
    "learn_profile",
    "voice",
    "moments",
)


def run(arguments: argparse.Namespace, settings: RunSettings) -> int:
    """Read an archive; the exit code. Raises FerliteError."""
    from cluster import spec
    from cluster.archive import find
    from cluster.archive import run as archive

    merged = _refuse_others(settings)
    if arguments.out is None:
        raise UsageError("--on writes Parquet: name the folder with --out")
    cluster = spec.parse(arguments.on)
    items, errors = find.find(settings.source)
    for error in errors:
        _complain(error)
    if not items:
        return exits.FAILED
    try:
        done = archive.run(
            archive.Order(items, settings, cluster, arguments.out),
            _complain,
            _print_lines if merged else lambda part: None,
        )
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped; the same command goes on from here", file=sys.stderr)
        raise
    if not merged:
        print(_text(done, arguments.out))
    return exits.FAILED if errors or done.failed else exits.OK


def _refuse_others(settings: RunSettings) -> bool:
    """Whether merged JSON lines are asked for. Raises UsageError for what does not go with --on."""
    merged = settings.sink == ("jsonl:-",)
    for name in NOT_HERE:
        value = getattr(settings, name)
        if value and not (name == "sink" and merged):
            word = "--csv or --sink" if name == "sink" else f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{word} does not go with --on, which writes Parquet to --out, and --json if asked for"
            )
    return merged


def _print_lines(part: Path) -> None:
    """A part's frames as the JSON lines of a plain run, those of a file together."""
    from cluster.archive.rows import lines
    from edge.sinks.json_lines import line_of

    for row in lines(part):
        sys.stdout.write(line_of(row))
    sys.stdout.flush()


def _text(done: Summary, out: Path) -> str:
    before = f" ({done.before} of them before)" if done.before else ""
    failed = f", {len(set(done.failed))} files failed" if done.failed else ""
    return f"{out}: {done.files} files{before}, {done.frames} frames, {done.faces} faces{failed}"


def _complain(error: FerliteError) -> None:
    print(f"{PROGRAM}: {error}", file=sys.stderr)
