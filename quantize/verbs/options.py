"""Options that several verbs have, and what was typed for them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from pathlib import Path

from edge.commands.command import Parser
from edge.errors import UsageError


def bundle(verb: Parser) -> None:
    """What is built."""
    verb.add_argument("-o", "--out", type=Path, required=True, help="the bundle: a folder, or a .zip")
    verb.add_argument("--engines", default="onnx", help="engines to build for, with commas (default: onnx)")


def words(text: str) -> tuple[str, ...]:
    """What stands between commas, once each."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def engines(arguments: argparse.Namespace, known: Iterable[str]) -> tuple[str, ...]:
    """The engines that were typed. Raises UsageError for one that nobody builds for."""
    names, valid = words(arguments.engines), tuple(known)
    unknown = [name for name in names if name not in valid]
    if unknown or not names:
        raise UsageError(
            f"--engines '{unknown[0] if unknown else arguments.engines}': choose {', '.join(valid)}"
        )
    return names


def typed(kind: str, arguments: argparse.Namespace) -> str:
    """The command as it may be written into a bundle: files by their names, not by where they lay here."""
    said = ["ferlite", "quantize", kind, arguments.run.name, "--out", arguments.out.name]
    return shlex.join([*said, "--engines", arguments.engines])
