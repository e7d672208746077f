"""A bundle's model card (Mitchell et al., FAT* 2019): what it is, learnt from, good for and not good for.

Every figure in it comes from a record: nothing is typed in by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.bundle import Bundle
from edge.errors import DataInvalid
from edge.files import read_record

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


def read_data_report(path: Path) -> dict[str, Any]:
    """A record of ``ferlite-train data --json``. Raises DataInvalid."""
    return read_record(path, "ferlite-data", 1, "ferlite-train data --json")


def write(bundle: Bundle, records: Sequence[dict[str, Any]], data: dict[str, Any], before: str = "") -> str:
    """The card's Markdown. Raises DataInvalid for a record of other files than the bundle's.

    ``before``: the card that is there. What a build wrote of the bundle is kept; what earlier records made is
    replaced.
    """
    digests = {digest for files in bundle.files.values() for digest in files.parts.values()}
    for record in records:
        if not set(record["model"].get("files", {"": ""}).values()) <= digests:
            raise DataInvalid(
                f"a record of '{record['model']['name']}' was made with other files than '{bundle.path}'"
            )
    kept = before.split(MARK, maxsplit=1)[0].rstrip()
    head = [kept] if kept else [f"# {bundle.name}", "", f"{bundle.description}.", "", *_not_for()]
    return "\n".join(
        [
            *head,
            "",
            MARK,
            "",
            "## The data, as it was searched",
            "",
            *_data_lines(data),
            "",
            "## Evaluation",
            "",
            *_score_lines(records),
            "",
            *[line for record in records for line in _class_lines(record)],
            *[line for record in records for line in _corruption_lines(record)],
        ]
    )


def _not_for() -> list[str]:
    return ["## What it must not be used for", "", NOT_FOR]


def _data_lines(data: dict[str, Any]) -> list[str]:
    lines = [
        f"- Data: {data['title']}. {data['splits']['train']['faces']} training faces.",
        f"- Terms: {data['terms']}",
        f"- Splits: {data['split_rule']}.",
    ]
    for split, found in data["repeats"].items():
        lines.append(
            f"- Search for repeats: {found['training_faces']} training faces are in the {split} split too "
            f"({found['exact']} exact pairs of {found['pairs']}), and were left out."
        )
    return lines + [f"- Left out: {count}, {reason}." for reason, count in data["left_out"].items()]


def _score_lines(records: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "| engine | precision | faces of | accuracy | 95 % interval | macro-F1 | FER+ | ECE | date |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for record in records:
        total, plus = record["score"], record["ferplus"]
        low, high = total["interval"]
        cells = [
            record["model"]["engine"],
            record["model"].get("precision", "float32"),
            f"{record['data']['name']} ({total['count']})",
            f"{total['accuracy']:.2%}",
            f"{low:.1%} to {high:.1%}",
            f"{total['macro_f1']:.3f}",
            f"{plus['accuracy']:.2%} of {plus['count']}" if plus else "none",
            f"{record['calibration']['ece_after']:.2%}",
            record["environment"]["date"],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _class_lines(record: dict[str, Any]) -> list[str]:
    rows = [
        f"| {label} | {row['count']} | {row['precision']:.1%} | {row['recall']:.1%} | {row['f1']:.3f} |"
        for label, row in record["score"]["per_class"].items()
    ]
    return [
        f"### Per expression: {record['model']['engine']}, {record['data']['name']}",
        "",
        "| expression | faces | precision | recall | F1 |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _corruption_lines(record: dict[str, Any]) -> list[str]:
    if not record["corruptions"]:
        return []
    rows = [
        f"| {kind} | " + " | ".join(f"{value:.1%}" for value in values) + " |"
        for kind, values in record["corruptions"].items()
    ]
    return [
        f"### On worsened faces: {record['model']['engine']}, {record['data']['name']}",
        "",
        "| corruption | light | medium | strong |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
