"""What a landmarks bundle says of itself, by the record of its build: its card and its accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.bundle_files.sections import AccuracyRecord
from pages.card import compose, table


def accuracy_of(record: Mapping[str, Any]) -> tuple[AccuracyRecord, ...]:
    """Of each engine, how often a point is rightly told to be seen or hidden, under things never seen."""
    return tuple(
        AccuracyRecord(
            "points seen or hidden, LFW under hand and scarf",
            2 * record["faces"],
            row["right_at_0"],
            engine,
            library=row["version"],
            precision=row["ships"],
            fp32_accuracy=record["right_at_0"],
        )
        for engine, row in record["engines"].items()
    )


def card_of(record: Mapping[str, Any]) -> str:
    """The bundle's card by its record, Markdown."""
    model = record["model"]
    about = (
        "68 landmarks of a face (iBUG's order) and how surely each is seen, from a 64-pixel grey crop: what "
        f"the `regions` of other bundles are made from. {model['parameters']} weights. Research use only."
    )
    learnt = [f"- {source}: {count} faces" for source, count in record["learnt_from"].items() if count]
    head = (
        "",
        "ships",
        "MB",
        "error",
        "15-30 degrees",
        "45-60",
        "AUC, nothing worn",
        "hand",
        "scarf",
        "gate",
    )
    rows = [["network", "float32", "-", *_figures(record), "-"]]
    for engine, row in record["engines"].items():
        verdict = f"passed, {row['recipe']}" if row["passed"] else "no int8 recipe passed"
        rows.append([engine, row["ships"], f"{row['bytes'] / 1e6:.2f}", *_figures(row), verdict])
    wanted = record["wanted"]
    measured = [
        f"{record['faces']} photographs of people never seen, turned at random to within 60 degrees, and "
        "each again under a hand and a scarf, which were never worn in training. Error: the mean distance of "
        "the 68 points as a share of that between the outer corners of the eyes, seen from the front. AUC: "
        "how well seen points are told from hidden ones.",
        "",
        *table(head, rows),
        "",
        f"Wanted were an error of {wanted['error']:.0%} and an AUC of {wanted['auc_worn']:.2f} under things "
        f"never seen: {'met' if record['met'] else 'not met'} ({record['error']:.1%} and "
        f"{record['auc_worn']:.2f}). Int8 may lose {record['gate']['most_lost']:.2f} of either. "
        f"{record['date']}, `{record['command']}`.",
    ]
    limits = [
        "- No point was set by hand: on photographs the truth is MediaPipe's face mesh, and along the jaw on "
        "rendered heads too. An error says how far the network is from that mesh.",
        "- What hides a face was drawn over it, so its outline is known. Real hands and cloths look "
        "otherwise.",
        f"- {record['steps']} steps of training are what there was time for.",
        *([f"- Left out is {record['left_out']}: its units died in training."] if record["left_out"] else []),
    ]
    parts = (("What it learnt from", learnt), ("Measured", measured), ("Limits", limits))
    return compose(model["recipe"], about, parts)


def _figures(row: Mapping[str, Any]) -> list[str]:
    errors = [row["error"], row["by_yaw"]["15-30"], row["by_yaw"]["45-60"]]
    told = [row["auc"].get(kind) for kind in ("nothing", "hand", "scarf")]
    return [
        *("-" if value is None else f"{value:.1%}" for value in errors),
        *("-" if value is None else f"{value:.3f}" for value in told),
    ]
