"""The one writer of CARD.md, a bundle's model card (Mitchell et al., FAT* 2019), from parts that others tell.

A build tells of the network and of what it measured (``quantize.proof.card``), evaluation records of what was
measured since (``train.card``). Every figure comes from a record: nothing is typed in by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

FILE = "CARD.md"
# Where the part that evaluation records make begins; what a build wrote stands before it.
MARK = "<!-- from evaluation records -->"
NOT_FOR = """\
- Reading what a person feels. The weights say how a **picture** resembles faces that annotators called by
  these words; people show, hide and act expressions, and annotators themselves disagree.
- Decisions about people: hiring, schooling, insurance, credit, policing, border control, medicine, or whether
  somebody lies or pays attention. Inferring emotions at work and in education is forbidden in the European
  Union (Regulation 2024/1689, article 5), medical and safety uses apart.
- Watching people who have not agreed to it. Identifying people, or telling their age, sex or origin.
- Faces unlike those it learnt from: the data says nothing of who is pictured, and some expressions (disgust)
  are rare in it. Differences between groups of people and between cameras are not measured, and must be
  expected."""

Section = tuple[str, Sequence[str]]  # a heading and its lines of Markdown


def compose(name: str, about: str, sections: Iterable[Section] = ()) -> str:
    """A bundle's card: what it is, what it must not be used for, and the ``sections``."""
    head = [f"# {name}", "", about, ""]
    return "\n".join([*head, *_lines([("What it must not be used for", [NOT_FOR]), *sections])])


def with_evaluations(before: str, sections: Iterable[Section]) -> str:
    """The card ``before`` with these as what evaluation records make of it, in place of earlier ones."""
    kept = before.split(MARK, maxsplit=1)[0].rstrip()
    return "\n".join([kept, "", MARK, "", *_lines(sections)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of Markdown, one line a row."""
    return [_row(head), "|---" * len(head) + "|", *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _lines(sections: Iterable[Section]) -> list[str]:
    return [line for title, lines in sections for line in (f"## {title}", "", *lines, "")]
