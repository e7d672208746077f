"""The command from a training run to a proved bundle, and what is left where it fails."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import bundle as bundles
from edge import engine as engines
from edge.bundle_files.sections import Scaling
from edge.classify import Classifier, load_classifier
from edge.engine import EngineOptions
from faces.face_set import load_fer2013
from quantize.cli import main
from quantize.proof import build_record, card
from tests.pages.reading import plots_in, stands_alone


@pytest.fixture
def inputs(run: Path, pack: Path, ladder_file: Path, crop_file: Path, tmp_path: Path) -> dict[str, Path]:
    return {"run": run, "pack": pack, "out": tmp_path / "tiny", "ladder": ladder_file, "crop": crop_file}


def words(run: Path, pack: Path, out: Path, ladder: Path, crop: Path) -> list[str]:
    given = ["build", run, "--data", pack, "-o", out, "--ladder", ladder, "--crop", crop, "--threads", 1]
    return [str(word) for word in given]


def test_the_bundle_loads_in_the_runtime_and_is_as_accurate_as_it_says(built: Path, pack: Path) -> None:
    bundle = bundles.load(built)
    bundle.verify()
    assert bundle.files["onnx"].precision == "int8" and bundle.name == "tiny"
    faces = load_fer2013(pack, "private")
    assert bundle.crop.size == faces.faces.shape[1]
    accuracy = {}
    for prior in ("", "fer2013"):
        classifier = load_classifier(bundle, "onnx", EngineOptions(threads=1), prior)
        weights = classifier(list(faces.faces))
        classifier.close()
        accuracy[prior] = float((weights.argmax(1) == faces.labels).mean())
    recorded = {each.data: each for each in bundle.accuracy}
    # A run answers by the default prior; the record is of FER2013 under its own.
    assert accuracy[""] > 0.8
    assert recorded["fer2013-private"].accuracy == pytest.approx(accuracy["fer2013"], abs=1e-5)
    assert recorded["fer2013-private"].images == 105
    assert all(each.agreement and each.ece_before is not None for each in recorded.values())


def test_the_recipes_lie_beside_the_model_and_have_the_recorded_digests(built: Path) -> None:
    made_by = bundles.load(built).made_by
    for name, digest in (
        ("train.toml", made_by["train"]["sha256"]),
        ("quantize-onnx.toml", made_by["quantize"]["onnx"]["sha256"]),
    ):
        assert hashlib.sha256((built / name).read_bytes()).hexdigest() == digest
    assert made_by["command"].startswith("ferlite-quantize build tiny --data faces.npz -o tiny")


def test_nothing_that_was_written_names_a_place_on_this_machine(built: Path) -> None:
    for path in built.iterdir():
        assert str(built.parent).encode() not in path.read_bytes(), path.name
        assert b"site-packages" not in path.read_bytes(), path.name
    assert not built.with_name("tiny.building").exists()


def test_the_card_and_the_page_show_the_records_figures(built: Path) -> None:
    full = json.loads((built / "build.json").read_text(encoding="utf-8"))
    figures = next(each for each in full["engines"]["onnx"]["figures"] if each["data"] == "fer2013-private")
    shown = f"{figures['shipped']['accuracy']:.2%}"
    card = (built / "CARD.md").read_text(encoding="utf-8")
    assert f"| onnx int8 | fer2013-private | 105 | {figures['plain']['accuracy']:.2%} | {shown} |" in card
    assert "research-only" in card and "280 were left" in card
    page = (built / "build.html").read_text(encoding="utf-8")
    assert len(full["sensitivity"]) > 10 and len(plots_in(page)) == 3
    worst = max(full["sensitivity"], key=lambda each: each["kl"])
    assert f"most in {worst['layer']} (" in page and shown in page and stands_alone(page)


def test_the_card_says_what_taught_beside_fer2013(built: Path) -> None:
    text = (built / "train.toml").read_text(encoding="utf-8")
    record = build_record.read(built / "build.json")
    assert "other data sets" not in (built / "CARD.md").read_text(encoding="utf-8")
    beside = '[data]\nbalanced = true\nsecond_share = 0.25\nsoft_labels = ["wise", "odd"]\n'
    told = "\n".join(card.data(record, text.replace("[data]\n", beside)))
    assert "25% of each batch of the last training came from other data sets" in told
    assert "train.toml" in told and "taught beside the labels: wise, odd." in told


def test_a_build_that_is_stopped_goes_on_and_gives_the_same_bytes(
    built: Path, inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped before its last step, the build keeps all others, and then makes what was made before."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    out, work = inputs["out"], inputs["out"].with_name("tiny.building")
    with monkeypatch.context() as patched:
        patched.setattr("quantize.proof.record.measure", stop)
        assert main(words(**inputs)) == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    assert not out.exists() and len(list(work.iterdir())) == 8
    with monkeypatch.context() as patched:
        patched.setattr("quantize.build.export", stop)
        patched.setattr("quantize.ladder._build", stop)
        assert main([*words(**inputs), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["kind"] == "ferlite-build" and record["engines"]["onnx"]["shipped"] == "quick"
    assert not work.exists()
    for name in ("model.onnx", "bundle.json", "train.toml", "quantize-onnx.toml"):
        assert (out / name).read_bytes() == (built / name).read_bytes(), name


def test_a_build_that_passes_no_gate_ships_float_says_so_and_exits_1(
    inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "slow.zip"
    given = [*words(**{**inputs, "out": out}), "--max-ratio", "0.0001"]
    assert main(given) == 1
    said = capsys.readouterr()
    assert "no int8 recipe passed the gate for onnx" in said.err and "ships the float model" in said.err
    assert "ships: no recipe passed" in said.out and "of float's time, over 0.00" in said.out
    bundle = bundles.load(out)
    bundle.verify()
    assert bundle.files["onnx"].precision == "fp32"
    assert bundle.made_by["quantize"]["onnx"]["recipe"] == "float"
    with zipfile.ZipFile(out) as archive:
        assert "quantize-onnx.toml" not in archive.namelist()
        assert "no int8 passed, float ships" in archive.read("CARD.md").decode()


def test_bad_input_is_one_sentence_and_leaves_nothing(
    inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 cut short")
    (tmp_path / "bad.json").write_text('{"crop": {}}', encoding="utf-8")
    (tmp_path / "odd.json").write_text('{"crop": {"side": 48}, "doubt": {}}', encoding="utf-8")
    out = tmp_path / "out"
    good: dict[str, Any] = {**inputs, "out": out}
    cases: list[tuple[dict[str, Any], list[str], int, str]] = [
        ({"run": tmp_path / "none"}, [], 1, "cannot be read"),
        ({"pack": tmp_path / "bad.npz"}, [], 1, "bad.npz"),
        ({"crop": tmp_path / "bad.json"}, [], 1, "needs the sections crop and doubt of bundle.json"),
        ({"crop": tmp_path / "none.json"}, [], 1, "cannot be read: No such file"),
        ({"crop": tmp_path / "odd.json"}, [], 1, "crop: unknown key 'side'"),
        ({"ladder": "steep"}, [], 1, "no ladder 'steep'"),
        ({"out": tmp_path / "full"}, [], 2, "is a folder of other things"),
        ({}, ["--engines", "onnx,tpu"], 2, "has no recipes for engine 'tpu': it has onnx"),
        ({}, ["--engines", ","], 2, "name at least one engine"),
    ]
    for changed, more, code, sentence in cases:
        assert main([*words(**{**good, **changed}), *more]) == code, sentence
        said = capsys.readouterr()
        assert sentence in said.err and said.err.count("\n") == 1 and said.out == ""
    assert not out.exists() and not out.with_name("out.building").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json", "bad.npz", "full", "odd.json"]


def test_verify_bears_a_good_bundle_out_and_not_a_boast(
    built: Path, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(built), "--data", str(pack), "--threads", "1", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    checks = said["checks"]
    assert said["golden"]["onnx"]["state"] == "same"
    assert [check["data"] for check in checks] == [
        f"{annotators}-{split}" for split in ("public", "private") for annotators in ("fer2013", "ferplus")
    ]
    assert all(check["holds"] for check in checks)
    boast = tmp_path / "boast"
    shutil.copytree(built, boast)
    table = json.loads((boast / "bundle.json").read_text(encoding="utf-8"))
    assert table["accuracy"][2]["data"] == "fer2013-private"
    table["accuracy"][2]["accuracy"] = 0.5
    table["files"]["onnx"]["golden"]["weights"] = [[1 / 7] * 7] * 8
    table["files"]["onnx"]["golden"]["sha256"] = "0" * 64
    (boast / "bundle.json").write_text(json.dumps(table), encoding="utf-8")
    assert main(["verify", str(boast), "--data", str(pack), "--threads", "1"]) == 1
    said = capsys.readouterr()
    wrong = "onnx on fer2013-private, onnx's golden answers"
    assert f"the bundle's record is not borne out: {wrong}" in said.err
    assert "DIFFERS" in said.out and "DIFFER: weights up to" in said.out


def test_verify_refuses_a_changed_file_and_an_engine_that_is_not_there(
    built: Path, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(built, changed)
    content = bytearray((changed / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (changed / "model.onnx").write_bytes(bytes(content))
    assert main(["verify", str(changed), "--data", str(pack)]) == 1
    assert "is not the file its sha256 was taken of" in capsys.readouterr().err
    assert main(["verify", str(built), "--data", str(pack), "--engines", "tflite"]) == 2
    assert "has no engine 'tflite': it has onnx" in capsys.readouterr().err


def test_the_recipes_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--json"]) == 0
    listing = json.loads(capsys.readouterr().out)
    assert listing["ladders"]["default"]["onnx"][0] in listing["recipes"]
    assert main(["recipes"]) == 0
    assert "ladder default" in capsys.readouterr().out


def test_each_engines_temperature_makes_its_own_public_weights_honest(built: Path, pack: Path) -> None:
    """No hotter and no colder temperature gives the voters' labels a better mean log-likelihood."""
    bundle = bundles.load(built)
    _, labelled = load_fer2013(pack, "public").followed()["ferplus"]
    temperature = bundle.files["onnx"].temperature
    assert bundle.prior == "everyday" and temperature is not None
    assert set(bundle.priors) == {"balanced", "natural", "everyday", "fer2013", "ferplus"}
    costs = []
    for factor in (0.9, 1.0, 1.1):
        engine = engines.load("onnx", bundle.model("onnx"), EngineOptions(threads=1))
        warmed = bundle.scaling_at(temperature * factor, "ferplus")
        weights = Classifier(bundle, engine, "NCHW", warmed)(list(labelled.faces))
        costs.append(-np.log(weights[np.arange(len(labelled)), labelled.labels]).mean())
    assert costs[1] < costs[0] and costs[1] < costs[2]


def test_a_network_that_learnt_labels_as_they_come_has_its_mean_answer_divided_out(
    built: Path, pack: Path
) -> None:
    bundle = bundles.load(built)
    engine = engines.load("onnx", bundle.model("onnx"), EngineOptions(threads=1))
    classify = Classifier(bundle, engine, "NCHW", Scaling.of_temperature(1.0, 7))
    mean = classify(list(load_fer2013(pack, "public").faces)).mean(0)
    np.testing.assert_allclose(bundle.learnt_prior, mean, atol=0.02)


def test_the_calibration_error_is_recorded_before_and_after(built: Path) -> None:
    full = json.loads((built / "build.json").read_text(encoding="utf-8"))
    climb = full["engines"]["onnx"]
    bundle = bundles.load(built)
    for who, fitted in climb["scalings"].items():
        assert tuple(fitted["scaling"]["scale"]) == bundle.scaling_of("onnx", who).scale
    assert set(climb["crossed"]) == set(bundle.priors)
    assert all(row["ece"] != row["ece_before"] for row in climb["figures"])
    row = next(row for row in climb["figures"] if row["data"] == "fer2013-private")
    shown = f"| {row['ece_before']:.2%} | {row['ece']:.2%} |"
    assert shown in (built / "CARD.md").read_text(encoding="utf-8")


def test_the_manifest_keeps_lists_of_numbers_on_one_line(built: Path) -> None:
    text = (built / "bundle.json").read_text(encoding="utf-8")
    assert '"mean": [100.5]' in text
    assert not [line for line in text.splitlines() if line.strip(" ,-.0123456789e") == ""]
