"""Write docs/cli.md from the parsers themselves: python docs/cli_reference.py [--check]

Nothing in that page is written by hand. ``--check`` changes nothing and exits 1 where it is out of date. It
is not what --help prints, which Python lays out differently from one version to the next.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "cli.md"
sys.path.insert(0, str(ROOT))

import boards.cli  # noqa: E402 - needs the root on the path
import edge.cli  # noqa: E402
import measure.cli  # noqa: E402
import quantize.cli  # noqa: E402
import train.cli  # noqa: E402

HEAD = """# Every command and option

Made by `python docs/cli_reference.py` from the commands themselves; [words](words.md) says what words mean.
`ferlite X` and `ferlite-X` are the same. All of them take `--help` and `--version`, and every verb takes
`--json`. Results go to standard output and nothing else does.

Exit codes: 0 done, 1 it failed for the reason that was said, 2 the call makes no sense, 3 a fault of
ferlite, 130 Ctrl-C; a process that was told to end finishes its files and dies of that signal.
"""
PARSERS = {
    "ferlite": edge.cli.parser,
    "ferlite train": train.cli.parser,
    "ferlite quantize": quantize.cli.parser,
    "ferlite bench": measure.cli.parser,
    "ferlite boards": boards.cli.parser,
}


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, make in PARSERS.items():
        for verb, parser in verbs(name, make()):
            parts.append(section(verb, parser))
    return "\n".join(parts)


def verbs(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parser itself, if it does anything, and those of its verbs, with what is typed for them."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield name, parser
    for action in inner:
        for verb, below in action.choices.items():
            yield from verbs(f"{name} {verb}", below)


def section(name: str, parser: argparse.ArgumentParser) -> str:
    """A heading, what the verb does, how it is typed, and a table of its options."""
    said = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    places = [action for action in said if not action.option_strings]
    options = [action for action in said if action.option_strings and "--help" not in action.option_strings]
    typed = " ".join([name, *map(shown_place, places), *(["[OPTIONS]"] if options else [])])
    lines = [f"## {name}", "", cell(parser.description or ""), "", f"    {typed}", ""]
    rows = [(shown_place(action).strip("[]"), action.help or "") for action in places]
    rows += [(shown_option(action), action.help or "") for action in options]
    if rows:
        lines += ["| | |", "|---|---|", *(f"| `{cell(what)}` | {cell(text)} |" for what, text in rows), ""]
    return "\n".join(lines)


def shown_place(action: argparse.Action) -> str:
    """A positional argument as it is typed."""
    word = str(action.metavar or action.dest.upper())
    if action.choices is not None and action.metavar is None:
        word = "{" + ",".join(map(str, action.choices)) + "}"
    return {"?": f"[{word}]", "*": f"[{word} ...]", "+": f"{word} ..."}.get(str(action.nargs), word)


def shown_option(action: argparse.Action) -> str:
    """An option as it is typed, with what it takes."""
    words = ", ".join(sorted(action.option_strings, key=len))
    if action.nargs == 0:
        return words
    taken = str(action.metavar or "")
    if not taken:
        taken = ",".join(map(str, action.choices)) if action.choices else action.dest.upper()
    return f"{words} {taken}"


def cell(text: str) -> str:
    """Text that may stand in a table's cell."""
    return " ".join(text.replace("%%", "%").split()).replace("|", "\\|")


def main() -> int:
    """Write the page, or check that it is current."""
    text = page()
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        print("docs/cli.md is out of date: python docs/cli_reference.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
