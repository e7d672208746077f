"""What evaluation records add to a bundle's model card; ``pages.card`` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.bundle import Bundle
from edge.errors import DataInvalid
from edge.files import read_record
from pages.card import compose, table, with_evaluations
from train import fairness as fair
from train import probe


def read_data_report(path: Path) -> dict[str, Any]:
    """A record of ``ferlite-train data --json``. Raises DataInvalid."""
    return read_record(path, "ferlite-data", 1, "ferlite-train data --json")


def write(
    bundle: Bundle,
    records: Sequence[dict[str, Any]],
    data: dict[str, Any] | None,
    before: str = "",
    probes: Sequence[dict[str, Any]] = (),
    fairness: Sequence[dict[str, Any]] = (),
) -> str:
    """The card's Markdown. Raises DataInvalid for a record of other files than the bundle's.

    ``records`` of evaluations need ``data``, the report of what was trained on; the others do not.

    ``before``: the card that is there. What a build wrote of the bundle is kept; what earlier records made is
    replaced.
    """
    digests = {digest for files in bundle.files.values() for digest in files.parts.values()}
    for record in records:
        if not _of_these(record, digests):
            raise _other_files(record["model"]["name"], bundle)
    changed = [line for record in fairness for line in _fairness_lines(record, digests, bundle)]
    per_class = [line for record in records for line in _class_lines(record)]
    worsened = [line for record in records for line in _corruption_lines(record)]
    probed = [line for record in probes for line in _probe_lines(record)]
    sections = [("The data, as it was searched", _data_lines(data))] if data else []
    scored = [*_score_lines(records), ""] if records else []
    if evaluated := [*scored, *per_class, *worsened, *probed]:
        sections.append(("Evaluation", evaluated))
    if changed:
        sections.append(("Rendered heads changed in one thing", changed))
    return with_evaluations(before or compose(bundle.name, f"{bundle.description}."), sections)


def _of_these(record: dict[str, Any], digests: set[str]) -> bool:
    return set(record["model"].get("files", {"": ""}).values()) <= digests


def _other_files(name: str, bundle: Bundle) -> DataInvalid:
    return DataInvalid(f"a record of '{name}' was made with other files than '{bundle.path}'")


def _fairness_lines(record: dict[str, Any], digests: set[str], bundle: Bundle) -> list[str]:
    """The bundle's own rows of a record that may be of several."""
    mine = [each for each in record["bundles"] if _of_these(each, digests)]
    if not mine:
        raise _other_files(", ".join(each["model"]["name"] for each in record["bundles"]), bundle)
    lines = [
        f"{record['people']} heads ({record['source']}), each with every expression, were rendered anew with "
        "one thing changed; units, light, pose, background and camera stayed. How many were then read "
        "otherwise, and how many of each expression; the 95 % interval takes pairs of one head as "
        "independent, and is too narrow for that. "
        f"{record['not_shown']}. {record['environment']['date']}, `{record['command']}`.",
    ]
    for each in mine:
        lines += ["", f"{each['model']['engine']}:", "", *table(fair.HEADINGS, fair.cells(each)), ""]
        lines += [f"- Named as made, {line}." for line in fair.about_groups(each)]
    return lines


def _probe_lines(record: dict[str, Any]) -> list[str]:
    rows = [f"| {' | '.join(cells)} |" for cells in probe.cells(record)]
    head = f"| {' | '.join(probe.HEADINGS)} |"
    return [f"### Probed: {probe.title(record)}", "", head, "|---|---|---|---|---|", *rows, ""]


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
    head = ("engine", "precision", "faces of", "accuracy", "95 % interval", "macro-F1", "FER+", "ECE", "date")
    rows = []
    for record in records:
        total, plus = record["score"], record["ferplus"]
        low, high = total["interval"]
        rows.append(
            [
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
        )
    return table(head, rows)


def _class_lines(record: dict[str, Any]) -> list[str]:
    rows = [
        [label, str(row["count"]), f"{row['precision']:.1%}", f"{row['recall']:.1%}", f"{row['f1']:.3f}"]
        for label, row in record["score"]["per_class"].items()
    ]
    return [
        f"### Per expression: {record['model']['engine']}, {record['data']['name']}",
        "",
        *table(("expression", "faces", "precision", "recall", "F1"), rows),
        "",
    ]


def _corruption_lines(record: dict[str, Any]) -> list[str]:
    if not record["corruptions"]:
        return []
    rows = [[kind, *(f"{value:.1%}" for value in values)] for kind, values in record["corruptions"].items()]
    return [
        f"### On worsened faces: {record['model']['engine']}, {record['data']['name']}",
        "",
        *table(("corruption", "light", "medium", "strong"), rows),
        "",
    ]
