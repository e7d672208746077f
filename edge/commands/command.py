"""One face for all commands: errors of one sentence, verbs that all take --json, --version, exit codes.

    def main(argv: list[str] | None = None) -> int:
        return command.main("ferlite-tea", parser, argv)

    def parser() -> command.Parser:
        return command.table("ferlite-tea", "Make tea.", {"brew": brew})

and the module ``brew``, a file of its own:

    HELP = "make a pot"

    def add(verb: command.Parser) -> None:
        verb.add_argument("--minutes", type=command.number(0.5, 20), default=4, metavar="N", help="...")

    def run(arguments: argparse.Namespace) -> int:
        from tea import pot                     # what is heavy is imported by the verb that needs it

        command.output(arguments, {"cups": 4}, "4 cups")
        return OK

Every option must be in ``edge/commands/option_words.py``: one word, one meaning, in all programs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

from edge.commands import exits
from edge.errors import SinkError, UsageError
from edge.files import write_json

Action = Callable[[argparse.Namespace], int]
SCHEMA = 1
EMPTY = "it is empty: give a value, or leave the option out"


class Parser(argparse.ArgumentParser):
    """argparse, with one-sentence errors and without abbreviations, which later options would break."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **settings})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """argparse's, but words between options go on with the list that the first of them began.

        ``ferlite run a.jpg --json b.jpg`` has two sources; argparse itself knows only the first.
        """
        known, extra = super().parse_known_args(args, namespace)
        lists = [each for each in self._actions if not each.option_strings and each.nargs in ("*", "+")]
        words = [word for word in extra if not word.startswith("-")]
        if len(lists) == 1 and words and hasattr(known, lists[0].dest):
            typed = [self._get_value(lists[0], word) for word in words]
            setattr(known, lists[0].dest, [*getattr(known, lists[0].dest), *typed])
            extra = [word for word in extra if word.startswith("-")]
        return known, extra

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """argparse's, but what was typed is not empty: a path of "" would be the current folder."""
        if "" in arg_strings and action.nargs not in (argparse.PARSER, argparse.REMAINDER):
            raise argparse.ArgumentError(action, EMPTY)
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the whole usage."""
        raise UsageError(f"{message} (see {self.prog} --help)")


class Verb(Protocol):
    """What the module of a verb has."""

    HELP: str

    def add(self, verb: Parser, /) -> None:
        """Add the options."""

    def run(self, arguments: argparse.Namespace, /) -> int:
        """Do it, and return the exit code. Raises FerliteError."""


def main(program: str, parser: Callable[[], Parser], argv: list[str] | None = None) -> int:
    """Run ``argv`` (default: the process's own arguments) and return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    return exits.guard(program, lambda: _run(parser(), arguments))


def _run(parser: Parser, argv: list[str]) -> int:
    arguments = parser.parse_args(argv)
    if not hasattr(arguments, "do"):
        parser.print_help()
        return exits.OK
    return int(arguments.do(arguments))


def program(name: str, text: str, **settings: Any) -> tuple[Parser, Any]:
    """The parser of a program, which has --version, and where its verbs are added."""
    parser = Parser(prog=name, description=text, **settings)
    add_version(parser)
    return parser, parser.add_subparsers(dest="verb", metavar="COMMAND", parser_class=Parser)


def table(name: str, text: str, verbs: Mapping[str, Verb]) -> Parser:
    """The parser of a program that has these ``verbs``, in the order in which its help lists them."""
    parser, place = program(name, text)
    for word, module in verbs.items():
        module.add(verb(place, word, module.HELP, module.run))
    return parser


def add_version(parser: Parser) -> None:
    """Give a program --version."""
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")


def verb(verbs: Any, name: str, text: str, do: Action, *, json: bool = True, **settings: Any) -> Parser:
    """Add a verb that ``do`` does; it takes --json unless it prints something else of its own."""
    added: Parser = verbs.add_parser(
        name, help=text, description=f"{text[:1].upper()}{text[1:]}.", **settings
    )
    added.set_defaults(do=do)
    if json:
        added.add_argument("--json", action="store_true", help="print the result as JSON")
    return added


def threads(verb: Parser) -> None:
    """Give a verb --threads: how many the process takes."""
    verb.add_argument(
        "--threads", type=whole(0, 256), default=0, metavar="N", help="CPU threads (default: all)"
    )


def record(verb: Parser) -> None:
    """Give a verb --record: what is written beside its result."""
    verb.add_argument("--record", type=Path, help="file to write the record to, as JSON")


def keep(arguments: argparse.Namespace, facts: Mapping[str, Any]) -> None:
    """Write a verb's record where --record says; nothing without it. Raises StorageFailed."""
    if arguments.record:
        write_json(arguments.record, facts)


def output(arguments: argparse.Namespace, facts: Mapping[str, Any], text: str) -> None:
    """Print a verb's result, which is all that goes to standard output: JSON if asked for, else the text.

    Raises SinkError where standard output is closed.
    """
    if sys.stdout is None:
        raise SinkError("standard output is closed: there is nowhere to print the result")
    print(json.dumps({"schema": SCHEMA, **facts}, indent=2) if arguments.json else text)


def number(low: float, high: float) -> Callable[[str], float]:
    """Takes an option's text that is a number from ``low`` to ``high``, which nan is not."""
    return lambda text: _within(float, text, low, high, "a number")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Takes an option's text that is a whole number from ``low`` to ``high``."""
    return lambda text: int(_within(int, text, low, high, "a whole number"))


def filled(text: str) -> str:
    """Takes an option's text that is not empty: an unset variable of a script is no choice."""
    if not text:
        raise argparse.ArgumentTypeError(EMPTY)
    return text


def _within(kind: type[int] | type[float], text: str, low: float, high: float, what: str) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = float("nan")
    # Written so that nan, which is in no range, is refused.
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"'{text}' must be {what} from {low:g} to {high:g}")
    return value


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: that takes longer than all the rest of --help."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> None:
        from importlib import metadata

        try:
            version = metadata.version("ferlite")
        except metadata.PackageNotFoundError:
            version = "(not installed)"
        print(f"{parser.prog} {version}")
        parser.exit()
