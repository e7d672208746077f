"""The scoreboard reads what users have, says which prior each row is under, and keeps drawn faces apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import DataInvalid
from faces import readers
from faces.crop_rule import crop_rule_of
from faces.face_set import FaceSet
from faces.labels import EXPRESSIONS
from tests.faces.test_domains import write_lfw
from tests.train import make
from train import domains, turned
from train.classifier import BundleSubject
from train.cli import main
from train.synth import dataset
from train.synth.face_mesh import MeshReader
from train.synth.families import load_heads


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
    assert "rendered (made)" in said and all(name in said for name in rows)
    real = [row["balanced"] for row in rows.values() if row["real"] and row["balanced"] is not None]
    assert read["balanced"] == pytest.approx(sum(real) / len(real), abs=1e-4)
    assert all(0 <= row["uncertain"] <= 1 and 0 <= row["ece"] <= 1 for row in rows.values())


def test_no_domain_is_refused(bundle: Any) -> None:
    with pytest.raises(DataInvalid, match="no domain to measure on"):
        domains.measure(BundleSubject(bundle, "onnx", 1), [])


def test_photographs_turned_by_the_mesh_are_rows_of_their_own(bundle: Any) -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    shared = Path(__file__).parents[3] / "shared"
    mesh, heads = shared / "models" / "face_landmark.tflite", shared / "data" / "ict_face.npz"
    for path in (mesh, heads):
        if not path.is_file():
            pytest.skip(f"{path.name} is not beside the project")
    # Rendered faces stand for photographs here: a mesh is found on them.
    made = dataset.make(load_heads(heads), dataset.Wish(14, 48, yaw=10), crop_rule_of("fer2013"))
    classes = [made.labels.index(label) for label in EXPRESSIONS]
    faces = FaceSet(
        "fer2013-public",
        made.faces,
        np.array([classes.index(label) for label in made.label], np.int64),
        np.zeros((14, 7), np.float32),
        np.full(14, -1, np.int64),
    )
    reader = MeshReader(mesh)
    rows = turned.domains_of(faces, reader, "FER2013", crop_rule_of("fer2013"))
    reader.close()
    assert [row.name for row in rows] == [f"FER2013, turned {yaw}" for yaw in turned.YAWS]
    assert not any(row.real for row in rows)
    off = [np.abs(row.faces.faces.astype(int) - rows[0].faces.faces).mean() for row in rows]
    assert off[0] == 0 and off[1] < off[2] < off[4]
    record = domains.measure(BundleSubject(bundle, "onnx", 1), [(row, "") for row in rows])
    assert record["balanced"] is None and "FER2013, turned 60 (made)" in domains.as_text(record)


def test_a_set_of_rendered_faces_is_read_with_its_people_apart(tmp_path: Path) -> None:
    faces = write_lfw(tmp_path / "lfw.npz")
    with np.load(faces) as file:
        arrays = {name: file[name] for name in file.files}
    count = len(arrays["label"])
    np.savez(
        tmp_path / "made.npz",
        **arrays,
        units=np.zeros((count, 3), np.float16),
        unit_names=np.array(["a", "b", "c"]),
        strength=np.ones(count, np.float32),
    )
    found = readers.read(tmp_path / "made.npz", 48)
    assert found.layout.name == "rendered" and sum(map(len, found.splits.values())) == count
    assert readers.read(faces, 48).layout.name == "lfw"


def test_no_mesh_is_said(bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make.write_pack(tmp_path / "faces.npz", public=84)
    words = ["domains", str(bundle.path), "--data", str(data), "--mesh", str(tmp_path / "none.tflite")]
    assert main(words) == 1
    assert "none.tflite' cannot be read" in capsys.readouterr().err
