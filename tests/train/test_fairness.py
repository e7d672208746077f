"""Rendered heads changed in one thing: nothing else differs, and what a bundle says of both is counted."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge import bundle as bundles
from edge.bundle import Bundle
from edge.errors import DataInvalid
from faces.labels import EXPRESSIONS
from pages.card import MARK
from train import card, fairness
from train.classifier import BundleSubject
from train.cli import main
from train.fairness import CONTROLS, GROUPS, Kind, Twins

DATA = Path(__file__).parents[3] / "shared" / "data"
HUMAN, ICT = DATA / "makehuman_head.npz", DATA / "ict_face.npz"
RECORD = Path(__file__).parents[2] / "benchmarks" / "records" / "fairness.json"
ONE = Kind("asian", "female", "young", "middle")
LEFT_OUT = sum(len(groups) - 1 for groups in GROUPS.values())


@pytest.fixture(scope="module")
def twins() -> Twins:
    if not HUMAN.is_file():
        pytest.skip("makehuman_head.npz is not beside the project")
    return fairness.make(HUMAN, 1, 48)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A copy of a bundle that ships, whose card may be written."""
    return bundles.load(shutil.copytree(bundles.load("mobilenetv2").path, tmp_path / "mobilenetv2"))


def alike(turned: bool = False) -> Twins:
    """Two faces of every expression, and each once more with another sex: ``turned`` over, or the same."""
    faces = np.random.default_rng(2).integers(0, 256, (14, 12, 12), np.uint8).repeat(4, 1).repeat(4, 2)
    other = ONE._replace(sex="male")
    return Twins(
        np.concatenate([faces, faces[:, ::-1] if turned else faces]),
        np.tile(np.arange(7), 4),
        (ONE,) * 14 + (other,) * 14,
        np.tile(np.arange(14), 2),
        ("",) * 14 + ("sex",) * 14,
    )


def test_every_head_is_changed_in_each_thing_and_in_nothing_else(twins: Twins) -> None:
    assert len(twins.faces) == 7 * (1 + LEFT_OUT + len(CONTROLS))
    for index, what in enumerate(twins.changed):
        base = twins.base[index]
        assert twins.label[index] == twins.label[base]
        differ = {
            name for name in GROUPS if getattr(twins.kind[index], name) != getattr(twins.kind[base], name)
        }
        assert differ == ({what} if what in GROUPS else set())


def test_a_change_is_seen_and_the_cameras_noise_hardly(twins: Twins) -> None:
    off = np.abs(twins.faces.astype(int) - twins.faces[twins.base]).mean((1, 2))
    changed = np.array(twins.changed)
    assert off[changed == ""].max() == 0
    noise = off[changed == fairness.NOISE].mean()
    for what in ("ancestry", "age", "skin", fairness.OTHER):
        assert off[changed == what].mean() > 1.5 * noise, what


def test_the_same_people_are_made_every_time(twins: Twins) -> None:
    again = fairness.make(HUMAN, 1, 48)
    np.testing.assert_array_equal(again.faces, twins.faces)


def test_a_reading_that_does_not_change_is_counted_as_none(bundle: Bundle) -> None:
    subject = BundleSubject(bundle, "onnx", 1)
    row = next(row for row in fairness.measure(subject, alike())["changed"] if row["what"] == "sex")
    assert row["pairs"] == 14 and row["otherwise"] == 0 and row["moved"] == 0 and row["interval"][0] == 0
    lit = fairness.measure(subject, alike(turned=True))
    moved = next(row for row in lit["changed"] if row["what"] == "sex")
    assert moved["moved"] > 0.01 and 0 < moved["otherwise"] < moved["interval"][1] <= 1
    assert set(lit["read_as"]["sex"]) == {"female", "male"} and lit["read_as"]["sex"]["male"]["faces"] == 14
    # Nobody was changed in anything else.
    assert [row["pairs"] for row in lit["changed"]] == [0, 14, 0, 0, 0, 0]


def test_a_bundle_of_other_labels_is_refused(bundle: Bundle) -> None:
    subject = BundleSubject(bundle, "onnx", 1)
    subject.labels = ("calm", "cry", "mild_pain", "severe_pain")
    with pytest.raises(DataInvalid, match="knows calm, cry, mild_pain, severe_pain, and rendered heads"):
        fairness.measure(subject, alike())


def test_the_verb_measures_and_the_card_says_so_with_what_it_does_not_show(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not HUMAN.is_file():
        pytest.skip("makehuman_head.npz is not beside the project")
    path = tmp_path / "fairness.json"
    words = ["fairness", str(bundle.path), "--heads", str(HUMAN), "--people", "1", "--threads", "1"]
    assert main([*words, "--engine", "onnx", "--record", str(path)]) == 0
    said = capsys.readouterr().out
    assert "Rendered heads are not people" in said and max(map(len, said.splitlines())) <= 160
    record = fairness.read(path)
    assert record["real"] is False and record["people"] == 1 and len(record["bundles"]) == 1
    assert [row["what"] for row in record["bundles"][0]["changed"]] == [*GROUPS, *CONTROLS]
    text = card.write(bundle, [], None, "# card\n", fairness=[record])
    assert text.index(MARK) < text.index("Rendered heads are not people")
    assert all(f"| rendered, {what} changed |" in text for what in GROUPS)
    assert all(label in text for label in EXPRESSIONS)
    other = json.loads(json.dumps(record))
    other["bundles"][0]["model"]["files"] = {"other.onnx": "0" * 64}
    with pytest.raises(DataInvalid, match="was made with other files than"):
        card.write(bundle, [], None, fairness=[other])


def test_the_card_verb_needs_a_data_report_for_evaluations_alone(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = fairness.measure(BundleSubject(bundle, "onnx", 1), alike())
    record = fairness.record(alike(), [entry], "ferlite train fairness tiny")
    (tmp_path / "fairness.json").write_text(json.dumps(record), encoding="utf-8")
    (bundle.path / "CARD.md").write_text("# card\n", encoding="utf-8")
    assert main(["card", str(bundle.path), str(tmp_path / "fairness.json")]) == 0
    once = (bundle.path / "CARD.md").read_text(encoding="utf-8")
    assert main(["card", str(bundle.path), str(tmp_path / "fairness.json")]) == 0
    assert (bundle.path / "CARD.md").read_text(encoding="utf-8") == once
    assert once.startswith("# card\n") and "rendered, sex changed" in once
    (tmp_path / "none.json").write_text(json.dumps({"kind": "other"}), encoding="utf-8")
    assert main(["card", str(bundle.path), str(tmp_path / "none.json")]) == 1
    assert "is not a record of" in capsys.readouterr().err


@pytest.mark.parametrize("name", bundles.shipped())
def test_every_shipped_card_shows_the_record_of_its_own_files(name: str) -> None:
    shipped = bundles.load(name)
    record = fairness.read(RECORD)
    there = (shipped.path / "CARD.md").read_text(encoding="utf-8")
    assert card.write(shipped, [], None, there, fairness=[record]) == there, "run 'make cards'"
    mine = [each for each in record["bundles"] if each["model"]["name"] == shipped.name]
    assert mine and all(row["pairs"] > 0 for row in mine[0]["changed"])


def test_heads_without_ancestry_and_files_that_are_none_are_said(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fairness", str(bundle.path), "--threads", "1", "--heads"]
    assert main([*words, str(tmp_path / "none.npz")]) == 1
    assert "none.npz' cannot be read: No such file" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "none.npz"), "--people", "0"]) == 2
    capsys.readouterr()
    if ICT.is_file():
        assert main([*words, str(ICT)]) == 1
        assert "heads without ancestry, sex and age: give MakeHuman's" in capsys.readouterr().err


def test_a_bundle_of_another_kind_is_said(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finds = replace(bundles.load(bundle.path), kind="landmarks", labels=())
    monkeypatch.setattr(bundles, "load", lambda name: finds)
    assert main(["fairness", str(bundle.path), "--heads", str(tmp_path / "none.npz")]) == 2
    assert "is of kind landmarks and reads no expressions" in capsys.readouterr().err
