"""``ferlite train run``: train a recipe, or go on with a run that was stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.command import Parser
from edge.commands.exits import INTERRUPTED, OK
from edge.errors import UsageError
from edge.files import refuse_same
from train.verbs import messages, options

HELP = "train a recipe, or go on with a run that was stopped"


def add(verb: Parser) -> None:
    """The options."""
    verb.add_argument("recipe", help="a built-in recipe's name or a .toml file")
    options.data(verb)
    command.threads(verb)
    verb.add_argument("--out", type=Path, required=True, help="folder of the run")
    options.beginning(verb)
    verb.add_argument("--device", default="auto", help="auto, cpu or cuda (default: cuda where there is one)")


def run(arguments: argparse.Namespace) -> int:
    """Train, and say how far it came."""
    from faces import readers
    from train import loop, recipe, soft_labels
    from train.checkpoint import BEST, CHECKPOINT, HISTORY, load_run, network_files
    from train.teaching import SoftLabels, second_of

    taught_by = [file for path in arguments.teacher for file in network_files(path)]
    more = [arguments.init, arguments.soft_labels, arguments.second_soft_labels]
    more += options.recipe_file(arguments)
    refuse_same(
        [arguments.out / name for name in (BEST, CHECKPOINT, HISTORY)],
        [arguments.data, *more, *taught_by, *arguments.second, *(path for _, path in arguments.stream)],
    )
    chosen = recipe.load(arguments.recipe)
    if arguments.second_soft_labels and not arguments.second:
        raise UsageError("--second-soft-labels are of --second, which is missing")
    side = chosen.model.input_size
    found = readers.read(arguments.data, side, arguments.layout)
    second = second_of(chosen, [readers.read(path, side, search=False) for path in arguments.second])
    outcome = loop.fit(
        chosen,
        found.split("train"),
        found.split("public"),
        arguments.out,
        threads=arguments.threads,
        init=arguments.init,
        teachers=[load_run(path) for path in arguments.teacher],
        device=arguments.device,
        second=second,
        soft_labels=SoftLabels(
            soft_labels.read(arguments.soft_labels, chosen.data.soft_labels, arguments.data)
            if arguments.soft_labels
            else {},
            soft_labels.read_second(arguments.second_soft_labels, chosen.data.second_soft_labels, second)
            if arguments.second_soft_labels and second
            else {},
        ),
        streams={
            name: readers.read(path, side, search=False).split("train") for name, path in arguments.stream
        },
    )
    result = {
        "recipe": chosen.name,
        "out": str(arguments.out),
        "steps": outcome.steps,
        "total_steps": outcome.total_steps,
        "finished": outcome.finished,
        "best_public_accuracy": outcome.best_accuracy,
    }
    best = (
        "no epoch ended" if outcome.best_accuracy is None else f"{outcome.best_accuracy:.2%} on public test"
    )
    command.output(arguments, result, f"{chosen.name}: {best}, step {outcome.steps} of {outcome.total_steps}")
    if outcome.finished:
        return OK
    messages.stopped()
    return INTERRUPTED
