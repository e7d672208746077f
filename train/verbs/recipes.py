"""``ferlite train recipes``: what can be trained."""

from __future__ import annotations

import argparse

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK

HELP = "list the built-in recipes"


def add(verb: Parser) -> None:
    """No options of its own."""


def run(arguments: argparse.Namespace) -> int:
    """List the built-in recipes."""
    from train import recipe

    found = {name: recipe.load(name) for name in recipe.built_in()}
    listing = {
        name: {"backbone": each.model.backbone, "input_size": each.model.input_size, "sha256": each.sha256}
        for name, each in found.items()
    }
    lines = [f"{name:28} {each.model.backbone}, {each.model.input_size} px" for name, each in found.items()]
    command.output(arguments, {"recipes": listing}, "\n".join(lines))
    return OK
