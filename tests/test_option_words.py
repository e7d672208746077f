"""One word, one meaning, in all of ferlite's commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

import boards.cli
import edge.cli
import measure.cli
import quantize.cli
import train.cli
from edge.commands.option_words import OPTIONS, SHORT
from edge.errors import UsageError

PARSERS = {
    "ferlite": edge.cli.parser,
    "ferlite-train": train.cli.parser,
    "ferlite-quantize": quantize.cli.parser,
    "ferlite-bench": measure.cli.parser,
    "ferlite-boards": boards.cli.parser,
}


def verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield parser.prog, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from verbs(verb)


EVERY = [(name, verb) for make in PARSERS.values() for name, verb in verbs(make())]


@pytest.mark.parametrize(("name", "verb"), EVERY, ids=[name for name, _ in EVERY])
def test_every_option_is_a_word_of_the_table_and_says_what_it_does(
    name: str, verb: argparse.ArgumentParser
) -> None:
    for action in verb._actions:
        for option in action.option_strings:
            assert SHORT.get(option, option) in OPTIONS, (
                f"{name} {option} is not in edge/commands/option_words.py"
            )
        assert action.help or isinstance(action, argparse._SubParsersAction), f"{name} {action.dest}"


def test_no_word_of_the_table_is_unused() -> None:
    used = {option for _, verb in EVERY for action in verb._actions for option in action.option_strings}
    assert set(OPTIONS) <= used and set(SHORT) <= used


def test_one_word_takes_one_kind_of_value() -> None:
    """A path is a path and a number is shown as one, wherever the word stands."""
    kinds: dict[str, set[object]] = {}
    for _, verb in EVERY:
        for action in verb._actions:
            for option in action.option_strings:
                is_switch = action.nargs == 0
                kinds.setdefault(option, set()).add(is_switch)
    # --csv prints readings, and names a file for a benchmark's figures; --version is a switch of programs.
    mixed = {option for option, found in kinds.items() if len(found) > 1}
    assert mixed <= {"--csv", "--version"}


def test_every_verb_but_run_prints_json_when_asked() -> None:
    for name, verb in EVERY:
        there = {option for action in verb._actions for option in action.option_strings}
        assert "--json" in there or name in PARSERS or name == "ferlite run", name


@pytest.mark.parametrize(("name", "verb"), EVERY, ids=[name for name, _ in EVERY])
def test_nothing_typed_may_be_empty(name: str, verb: argparse.ArgumentParser) -> None:
    """An unset variable of a script is no choice, and an empty path would be the current folder."""
    for action in verb._actions:
        if action.nargs == 0 or isinstance(action, argparse._SubParsersAction):
            continue
        typed = [*action.option_strings[:1], ""]
        with pytest.raises(UsageError, match="empty"):
            verb.parse_args(typed)
