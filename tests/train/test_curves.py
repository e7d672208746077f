from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import pytest

from train import curves

ROWS = [
    {
        "epoch": "1",
        "lr": "0.1",
        "train_loss": "1.9",
        "public_accuracy": "0.2",
        "public_macro_f1": "0.1",
        "seconds": "3",
    },
    {
        "epoch": "2",
        "lr": "0.05",
        "train_loss": "1.5",
        "public_accuracy": "0.4",
        "public_macro_f1": "0.3",
        "seconds": "3",
    },
]


def test_history_is_a_csv_with_a_row_per_epoch(tmp_path: Path) -> None:
    curves.write_history(ROWS[:1], tmp_path / "h.csv")
    curves.write_history(ROWS, tmp_path / "h.csv")
    with (tmp_path / "h.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == ROWS
    assert (tmp_path / "h.csv").read_bytes().count(b"\r") == 0


def test_tensorboard_gets_a_point_per_epoch_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for row in ROWS:
        assert curves.add_to_tensorboard(row, tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("public_accuracy")][-1] == 2


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="tensorboard is installed")
def test_without_tensorboard_nothing_is_written(tmp_path: Path) -> None:
    assert not curves.add_to_tensorboard(ROWS[0], tmp_path)
    assert list(tmp_path.iterdir()) == []
