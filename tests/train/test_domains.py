"""The scoreboard reads what users have, says which prior each row is under, and keeps drawn faces apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.errors import DataInvalid
from tests.faces.test_domains import write_lfw
from tests.train import make
from train import domains
from train.classifier import BundleSubject
from train.cli import main


def test_every_domain_is_a_row_and_drawn_ones_are_not_averaged(
    bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make.write_pack(tmp_path / "faces.npz", public=84)
    drawn = make.write_pack(tmp_path / "drawn.npz")
    lfw, record = write_lfw(tmp_path / "lfw.npz", people=160), tmp_path / "record.json"
    code = main(
        [
            "domains",
            str(bundle.path),
            "--data",
            str(data),
            "--domain",
            str(lfw),
            "--rendered",
            str(drawn),
            "--engine",
            "onnx",
            "--threads",
            "1",
            "--record",
            str(record),
        ]
    )
    assert code == 0
    said, read = capsys.readouterr().out, json.loads(record.read_text(encoding="utf-8"))
    rows = {row["domain"]: row for row in read["domains"]}
    assert list(rows) == [
        "FER2013",
        "FER+",
        "corrupted",
        "20-32 px",
        "LFW, people never seen",
        "IMFDB",
        "rendered",
    ]
    assert rows["LFW, people never seen"]["faces"] == 80 and not rows["rendered"]["real"]
    assert "rendered (drawn)" in said and all(name in said for name in rows)
    real = [row["balanced"] for row in rows.values() if row["real"] and row["balanced"] is not None]
    assert read["balanced"] == pytest.approx(sum(real) / len(real), abs=1e-4)
    assert all(0 <= row["uncertain"] <= 1 and 0 <= row["ece"] <= 1 for row in rows.values())


def test_no_domain_is_refused(bundle: Any) -> None:
    with pytest.raises(DataInvalid, match="no domain to measure on"):
        domains.measure(BundleSubject(bundle, "onnx", 1), [])
