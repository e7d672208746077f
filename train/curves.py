"""A run's figures, epoch by epoch: history.csv, and TensorBoard's curves where that is installed."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

# Written where a run keeps priors apart.
APART = ("ferplus_accuracy", "public_balanced")
COLUMNS = ("epoch", "lr", "train_loss", "public_accuracy", "public_macro_f1", "seconds")


def write_history(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    """All rows, with a header. Written anew each time: a continued run has the rows of before."""
    with path.open("w", newline="", encoding="utf-8") as file:
        more = APART if any(name in row for row in rows for name in APART) else ()
        columns = (*COLUMNS[:-1], *more, COLUMNS[-1])
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def add_to_tensorboard(row: Mapping[str, str], out: Path) -> bool:
    """Append an epoch's figures to ``out/tensorboard``; False where tensorboard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return False
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(out / "tensorboard")) as writer:
        for name in COLUMNS[1:]:
            writer.add_scalar(name, float(row[name]), int(row["epoch"]))
    return True
