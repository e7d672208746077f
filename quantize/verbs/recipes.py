"""``ferlite quantize recipes``: what can be tried."""

from __future__ import annotations

import argparse

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import OK

HELP = "list the built-in recipes and ladders"


def add(verb: Parser) -> None:
    """No options of its own."""


def run(arguments: argparse.Namespace) -> int:
    """List the built-in recipes and ladders."""
    from quantize import recipe

    recipes = [recipe.load(name) for name in recipe.built_in()]
    ladders = [recipe.load_ladder(name) for name in recipe.built_in(recipe.LADDERS)]
    listing = {
        "recipes": {each.name: {"engine": each.engine, "sha256": each.sha256} for each in recipes},
        "ladders": {
            each.name: {engine: [one.name for one in rungs] for engine, rungs in each.engines.items()}
            for each in ladders
        },
    }
    lines = [f"recipe {each.name:24}{each.engine}" for each in recipes]
    lines += [
        f"ladder {ladder.name:24}{engine}: {', '.join(one.name for one in rungs)}"
        for ladder in ladders
        for engine, rungs in ladder.engines.items()
    ]
    command.output(arguments, listing, "\n".join(lines))
    return OK
